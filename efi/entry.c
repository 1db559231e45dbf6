/* entry.c — efi_main: the ordered list of steps from firmware's call to the kernel's first instruction.
 *
 * gnu-efi's start code has relocated the image and calls efi_main by the System V ABI (not EFIAPI, docs/takeover.md H). As long
 * as boot services live, every refusal is one line on the firmware's console and a status to whoever started us. */
#include "bytes.h"
#include "config_file.h"
#include "cpu.h"
#include "emergency.h"
#include "entropy.h"
#include "firmware.h"
#include "firmware_tables.h"
#include "graphics.h"
#include "hand_over.h"
#include "options.h"
#include <config.h>

#define READING_TIME_MICROSECONDS 2000000u

/* kernel_blob.S */
extern const uint8_t kernel_blob_begin[];
extern const uint8_t kernel_blob_end[];
extern const uint64_t kernel_blob_size[1];
extern const uint8_t kernel_blob_digest[KERNEL_DIGEST_BYTES];

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table);

static struct hand_over hand_over;
static struct option_words file_words, command_words;

static EFI_STATUS refuse(EFI_STATUS status, const char *what, const char *why)
{
    static char line[NOTE_BYTES];
    struct text text;

    text_init(&text, line, sizeof line);
    text_add(&text, what);
    text_add(&text, why);
    say(line);
    if (hand_over.wants_qemu_exit) {
        emergency_qemu_exit();
    }
    if (firmware_has_console()) {
        (void)firmware_stall(READING_TIME_MICROSECONDS); /* a boot manager redraws the screen at once */
    }
    firmware_release_all();
    return status;
}

/* The block that the kernel gets, and the notes in it. */
static bool make_block(void)
{
    struct boot_block *block = firmware_allocate(sizeof *block, FIRMWARE_ANYWHERE, EfiLoaderData);

    if (block == NULL) {
        return false;
    }
    hand_over.block = block;
    hand_over.info = &block->info;
    notes_init(&hand_over.notes, block->notes, sizeof block->notes);
    return true;
}

static void record_entry(uint64_t tsc, uint64_t priority)
{
    struct boot_info *info = hand_over.info;

    info->tsc_efi_main = tsc;
    info->entry_state = hand_over.machine.entry;
    info->entry_state.tpl = priority;
    info->entry_levels = hand_over.machine.entry_levels;
    if (priority != TPL_APPLICATION) {
        notes_add_decimal(&hand_over.notes, "started at task priority ", priority, ", lowered to application level");
    }
}

static void read_options(void)
{
    static EFI_GUID guid = LOADED_IMAGE_PROTOCOL;
    EFI_LOADED_IMAGE *loaded = firmware_protocol(firmware_image(), &guid);
    char *buffer;
    size_t capacity;

    hand_over.file_words = &file_words;
    hand_over.command_words = &command_words;
    if (loaded == NULL) {
        notes_add(&hand_over.notes, "firmware does not say how it loaded us: no options");
    } else {
        config_file_read(loaded->DeviceHandle, &file_words, &hand_over.notes);
        capacity = OPTIONS_WORDS_BYTES(min_u64(loaded->LoadOptionsSize / 2, OPTIONS_UNITS_MAX));
        buffer = loaded->LoadOptionsSize == 0 ? NULL : firmware_allocate(capacity, FIRMWARE_ANYWHERE, EfiLoaderData);
        if (buffer != NULL) {
            options_init(&command_words, buffer, capacity);
            options_from_load_options(&command_words, loaded->LoadOptions, loaded->LoadOptionsSize, &hand_over.notes);
        }
    }
    hand_over.has_kaslr = options_choice(&file_words, &command_words, "kaslr", "off on") != 0;
    hand_over.wants_qemu_exit =
        options_choice(&file_words, &command_words, "on-end", "shell poweroff reboot halt qemu-exit") == 4;
}

static const char *check_kernel(void)
{
    uint64_t nbytes = (uint64_t)(kernel_blob_end - kernel_blob_begin);

    if (nbytes != kernel_blob_size[0] || !kernel_image_is_intact(kernel_blob_begin, nbytes, kernel_blob_digest)) {
        return "its checksum is wrong";
    }
    return kernel_image_check(&hand_over.kernel, kernel_blob_begin, nbytes);
}

static void question_firmware(void)
{
    struct boot_info *info = hand_over.info;
    uint64_t seed = 0;
    bool has_seed = options_number(&file_words, &command_words, "seed", &seed);

    firmware_tables_collect(info, &hand_over.notes);
    graphics_find(info, min_u64(1ull << hand_over.machine.phys_bits, HHDM_WINDOW_BYTES), &hand_over.notes);
    info->tsc_hz = machine_tsc_hz();
    entropy_collect(&hand_over.machine, &hand_over.entropy, info);
    entropy_seed(&hand_over.entropy, has_seed, seed, info);
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table)
{
    uint64_t tsc = cpu_tsc();
    const char *fault;

    machine_describe(&hand_over.machine); /* before anything can change it */
    if (!firmware_init(image, system_table)) {
        return EFI_INVALID_PARAMETER;
    }
    firmware_disable_watchdog(); /* it would reset the machine five minutes from now */
    uint64_t priority = firmware_settle_priority();
    say(NEOMEM_VERSION);
    if (!make_block()) {
        return refuse(EFI_OUT_OF_RESOURCES, "no memory at all", "");
    }
    record_entry(tsc, priority);
    read_options(); /* early: they decide how a refusal ends */
    fault = check_kernel();
    if (fault != NULL) {
        return refuse(EFI_LOAD_ERROR, "the kernel inside this file is damaged: ", fault);
    }
    question_firmware();
    fault = reserve_memory(&hand_over);
    if (fault != NULL) {
        return refuse(EFI_OUT_OF_RESOURCES, "cannot start: ", fault);
    }
    kernel_image_load(&hand_over.kernel, hand_over.kernel_memory, hand_over.kernel_virt_base);
    fault = takeover(&hand_over); /* comes back only while boot services live */
    return refuse(EFI_OUT_OF_RESOURCES, "cannot leave firmware: ", fault);
}
