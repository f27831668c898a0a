#include "textflag.h"

DATA by255<>+0(SB)/4, $255.0
GLOBL by255<>(SB), RODATA|NOPTR, $4

// func normalizeAVX2(dst *float32, src *byte, n int)
TEXT ·normalizeAVX2(SB), NOSPLIT, $0-24
	MOVQ         dst+0(FP), DI
	MOVQ         src+8(FP), SI
	MOVQ         n+16(FP), CX
	VBROADCASTSS by255<>(SB), Y15

loop:
	VPMOVZXBD (SI), Y0
	VPMOVZXBD 8(SI), Y1
	VCVTDQ2PS Y0, Y0
	VCVTDQ2PS Y1, Y1
	VDIVPS    Y15, Y0, Y0
	VDIVPS    Y15, Y1, Y1
	VMOVUPS   Y0, (DI)
	VMOVUPS   Y1, 32(DI)
	ADDQ      $16, SI
	ADDQ      $64, DI
	SUBQ      $16, CX
	JNE       loop
	VZEROUPPER
	RET
