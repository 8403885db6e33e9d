/* The library that is preloaded, as part of this program: one binary suffices.  The assembler takes it in; its dependency is named in
 * scripts/rules.mk. */
__asm__(".pushsection .rodata\n"
	".global preload_library, preload_library_end\n"
	".hidden preload_library, preload_library_end\n"
	"preload_library:\n.incbin \"" GILSCOPE_PRELOAD_FILE "\"\n"
	"preload_library_end:\n.byte 0\n.popsection\n");
