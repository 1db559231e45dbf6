/* test_readme.c — the README's option table is what the program itself says.
 * `test_readme --print` writes the table for pasting. Runs in the top folder of the tree. */

#include <neomem/options.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ROW_BYTES 2048

static char readme[1 << 20];

static void every_option_has_its_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < options_count(); i++) {
        char row[ROW_BYTES];
        int length = options_describe(i, row, sizeof(row));
        assert_true(length > 0 && (size_t)length < sizeof(row));
        if (strstr(readme, row) == NULL) {
            fail_msg("README.md lacks this line: %s", row);
        }
    }
}

static void no_row_without_an_option(void **state)
{
    (void)state;
    char *start = strstr(readme, "<!-- options:");
    char *end = strstr(readme, "<!-- end of options -->");
    assert_non_null(start);
    assert_non_null(end);
    size_t rows = 0;
    for (char *line = strstr(start, "\n| `"); line != NULL && line < end; line = strstr(line + 1, "\n| `")) {
        rows++;
    }
    assert_int_equal(rows, options_count());
}

int main(int argc, char **argv)
{
    options_init();
    if (argc == 2 && strcmp(argv[1], "--print") == 0) {
        for (size_t i = 0; i < options_count(); i++) {
            char row[ROW_BYTES];
            options_describe(i, row, sizeof(row));
            puts(row);
        }
        return 0;
    }
    FILE *file = fopen("README.md", "r");
    if (file == NULL || fread(readme, 1, sizeof(readme) - 1, file) == 0) {
        fputs("README.md cannot be read: run this in the top folder of the tree\n", stderr);
        return 1;
    }
    fclose(file);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_option_has_its_row),
        cmocka_unit_test(no_row_without_an_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
