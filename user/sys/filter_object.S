/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel program travels inside ours: filter_attach needs no file.  Assembled from the top of the repository. */
#ifdef __CET__
#include <cet.h> /* says that no code here stands in the way of indirect branch tracking: there is none */
#endif
	.section .rodata
	.balign 8
	.globl filter_object
	.type filter_object, @object
filter_object:
	.incbin "build/gate.bpf.o"
	.size filter_object, . - filter_object
	.globl filter_object_end
filter_object_end:
	.section .note.GNU-stack, "", @progbits
