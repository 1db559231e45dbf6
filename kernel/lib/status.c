/* status.c — names of the result codes. */
#include <neomem/status.h>

const char *neo_status_name(enum neo_status status)
{
    switch (status) {
    case NEO_OK:
        return "ok";
    case NEO_ERR_NO_MEMORY:
        return "no memory";
    case NEO_ERR_INVALID:
        return "invalid argument";
    case NEO_ERR_EXISTS:
        return "exists";
    case NEO_ERR_NOT_FOUND:
        return "not found";
    case NEO_ERR_RANGE:
        return "out of range";
    case NEO_ERR_CORRUPT:
        return "corrupt";
    case NEO_ERR_UNSUPPORTED:
        return "unsupported";
    case NEO_ERR_TIMEOUT:
        return "timeout";
    case NEO_ERR_LIMIT:
        return "limit reached";
    }
    return "unknown status";
}
