/*
 * The compiled programs as part of our own: who runs the program needs no compiler and no file.
 * The assembler includes the object, so that no tool is needed to make C of it.
 */
#include "core/bpf/program.h"

__asm__(".pushsection .rodata\n"
	".balign 16\n"
	"kfilter_object_begin:\n"
	".incbin \"" KFILTER_OBJECT "\"\n"
	"kfilter_object_end:\n"
	".popsection\n");

extern const char object_begin[] __asm__("kfilter_object_begin");
extern const char object_end[] __asm__("kfilter_object_end");

const void *kfilter_object(size_t *len)
{
	*len = (size_t)(object_end - object_begin);
	return object_begin;
}
