/* kernel_blob.S — the kernel, stripped, as read-only data, with its size and digest (scripts/blob_digest.py).
 * KERNEL_BLOB is the path of the file; its digest lies beside it with `.digest` appended. */

    .section .rodata.kernel, "a", @progbits
    .globl kernel_blob_begin, kernel_blob_end, kernel_blob_size, kernel_blob_digest
    .hidden kernel_blob_begin, kernel_blob_end, kernel_blob_size, kernel_blob_digest
    .balign 16
kernel_blob_size: /* 8 bytes, as the build saw it */
kernel_blob_digest = kernel_blob_size + 8
    .incbin KERNEL_BLOB_DIGEST
    .balign 16
kernel_blob_begin:
    .incbin KERNEL_BLOB
kernel_blob_end:

    .section .note.GNU-stack, "", @progbits
