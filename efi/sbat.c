/* sbat.c — the revocation data that shim reads under Secure Boot. One line for the format itself, one for neomem;
 * the second field is a generation number that is raised when a version must not boot any more.
 * Source: shim, SBAT.md. */
#include <config.h>
#include <neomem/compiler.h>

#define SBAT \
    "sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md\n" \
    "neomem,1,neomem,neomem," NEOMEM_VERSION ",unpublished\n"

/* Without the terminating NUL: the section is the text. */
static const char sbat[sizeof SBAT - 1] NEO_SECTION(".sbat") = SBAT;
