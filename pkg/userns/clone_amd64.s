#include "textflag.h"

// func cloneShared(args *clone3Args, size uintptr) (pid, errno uintptr)
//
// clone3(2) whose child begins in ·child, on the stack that args names: the
// word at its end is child's argument.
TEXT ·cloneShared(SB),NOSPLIT,$0-32
	MOVQ	args+0(FP), DI
	MOVQ	size+8(FP), SI
	MOVQ	$435, AX
	SYSCALL
	TESTQ	AX, AX
	JZ	begin
	CMPQ	AX, $0xfffffffffffff001
	JCC	failed
	MOVQ	AX, pid+16(FP)
	MOVQ	$0, errno+24(FP)
	RET
failed:
	NEGQ	AX
	MOVQ	$0, pid+16(FP)
	MOVQ	AX, errno+24(FP)
	RET
begin:
	XORL	BP, BP
	CALL	·child(SB)
	INT	$3

// func brother(flags uintptr) (r1 uintptr, errno syscall.Errno)
//
// clone(2) by a child that shares memory, its stack too: it sleeps (CLONE_VFORK)
// while its brother goes on, and then ends at once, without a look at the stack
// that the brother has used. The brother and a failure return.
TEXT ·brother(SB),NOSPLIT,$0-24
	MOVQ	flags+0(FP), DI
	XORL	SI, SI
	XORL	DX, DX
	XORL	R10, R10
	XORL	R8, R8
	MOVQ	$56, AX
	SYSCALL
	CMPQ	AX, $0xfffffffffffff001
	JCC	failed
	TESTQ	AX, AX
	JZ	born
	XORL	DI, DI
	MOVQ	$231, AX
	SYSCALL
	INT	$3
born:
	MOVQ	$0, r1+8(FP)
	MOVQ	$0, errno+16(FP)
	RET
failed:
	NEGQ	AX
	MOVQ	$0, r1+8(FP)
	MOVQ	AX, errno+16(FP)
	RET
