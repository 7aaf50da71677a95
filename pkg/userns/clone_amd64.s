#include "textflag.h"

// Both begin a Go function with one argument, in AX by Go's internal calling
// convention, with X15 zero. It never returns and never looks at R14, the g.
// The wrapper that the assembler's own convention would go through cannot be
// used: with the race detector it does.

// func cloneOnto(nr, a, b, c, entry uintptr, pr *program) (pid, errno uintptr)
//
// clone3(2) or clone(2) whose child begins in entry, on the stack that the arguments
// name.
TEXT ·cloneOnto(SB),NOSPLIT,$0-64
	MOVQ	nr+0(FP), AX
	MOVQ	a+8(FP), DI
	MOVQ	b+16(FP), SI
	MOVQ	c+24(FP), DX
	MOVQ	entry+32(FP), R13
	MOVQ	pr+40(FP), R12
	XORL	R10, R10
	XORL	R8, R8
	SYSCALL
	TESTQ	AX, AX
	JZ	begin
	CMPQ	AX, $0xfffffffffffff001
	JCC	failed
	MOVQ	AX, pid+48(FP)
	MOVQ	$0, errno+56(FP)
	RET
failed:
	NEGQ	AX
	MOVQ	$0, pid+48(FP)
	MOVQ	AX, errno+56(FP)
	RET
begin:
	MOVQ	R12, AX
	XORPS	X15, X15
	CALL	R13
	INT	$3

// func vfork(flags, top, entry uintptr, pr *program) (r1 uintptr, errno syscall.Errno)
//
// clone(2) by a child that shares memory. The new process returns, and uses the
// stack while the old one sleeps (CLONE_VFORK). So the old one does not return: it
// begins entry anew at the top of the stack. A failure returns.
TEXT ·vfork(SB),NOSPLIT,$0-48
	MOVQ	flags+0(FP), DI
	MOVQ	top+8(FP), R15
	MOVQ	entry+16(FP), R13
	MOVQ	pr+24(FP), R12
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
	MOVQ	R12, AX
	XORPS	X15, X15
	SUBQ	$8, R15	// where a caller's return address would be
	MOVQ	R15, SP
	JMP	R13
born:
	MOVQ	$0, r1+32(FP)
	MOVQ	$0, errno+40(FP)
	RET
failed:
	NEGQ	AX
	MOVQ	$0, r1+32(FP)
	MOVQ	AX, errno+40(FP)
	RET
