package tests

import (
	"bytes"
	"debug/elf"
	encoding "encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// socket32 DIR writes programs for i386 that make a socket and end with 0, or with the errno: DIR/socketcall-FAMILY by
// socketcall(2), as the C library of i386 does it, DIR/socket-FAMILY by socket(2), which the kernel has there since 4.3.
func socket32(args []string) error {
	for name, family := range map[string]byte{"unix": 1, "inet": 2, "alg": 38, "vsock": 40} {
		for _, door := range []string{"socketcall", "socket"} {
			file := filepath.Join(args[0], door+"-"+name)
			if err := os.WriteFile(file, elf32(socketCode(door, family)), 0o755); err != nil {
				return err
			}
		}
	}
	fmt.Println("SAW", args[0])
	return nil
}

const elf32Base, elf32Headers = 0x08048000, 52 + 32

// socketCode is machine code of i386. Of AF_ALG there are sockets of one type only, SOCK_SEQPACKET.
func socketCode(door string, family byte) []byte {
	kind := byte(1) // SOCK_STREAM
	if family == 38 {
		kind = 5
	}
	end := []byte{
		0x31, 0xdb, // xor ebx, ebx
		0x85, 0xc0, // test eax, eax
		0x79, 0x04, // jns over the next two
		0x89, 0xc3, // mov ebx, eax
		0xf7, 0xdb, // neg ebx
		0xb8, 1, 0, 0, 0, // mov eax, exit
		0xcd, 0x80, // int 0x80
	}
	if door == "socket" {
		return append([]byte{
			0xb8, 0x67, 1, 0, 0, // mov eax, 359
			0xbb, family, 0, 0, 0, // mov ebx, family
			0xb9, kind, 0, 0, 0, // mov ecx, type
			0x31, 0xd2, // xor edx, edx
			0xcd, 0x80, // int 0x80
		}, end...)
	}
	code := append([]byte{
		0xb8, 102, 0, 0, 0, // mov eax, 102
		0xbb, 1, 0, 0, 0, // mov ebx, SYS_SOCKET
		0xb9, 0, 0, 0, 0, // mov ecx, the arguments behind the code
		0xcd, 0x80, // int 0x80
	}, end...)
	encoding.LittleEndian.PutUint32(code[11:], uint32(elf32Base+elf32Headers+len(code)))
	for _, arg := range []byte{family, kind, 0} {
		code = append(code, arg, 0, 0, 0)
	}
	return code
}

// elf32 is a static program for i386 that consists of this code.
func elf32(code []byte) []byte {
	size := uint32(elf32Headers + len(code))
	var b bytes.Buffer
	for _, part := range []any{
		elf.Header32{
			Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS32), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
			Type:  uint16(elf.ET_EXEC), Machine: uint16(elf.EM_386), Version: 1, Entry: elf32Base + elf32Headers,
			Phoff: 52, Ehsize: 52, Phentsize: 32, Phnum: 1,
		},
		elf.Prog32{Type: uint32(elf.PT_LOAD), Vaddr: elf32Base, Filesz: size, Memsz: size, Flags: uint32(elf.PF_R | elf.PF_X), Align: 4096},
		code,
	} {
		_ = encoding.Write(&b, encoding.LittleEndian, part) // to memory
	}
	return b.Bytes()
}

// wantI386 runs a program for i386: a kernel may lack them, or be told not to run them (ia32_emulation=0).
func wantI386() error {
	dir, err := os.MkdirTemp("", "i386")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "socket")
	if err := os.WriteFile(file, elf32(socketCode("socketcall", 1)), 0o755); err != nil {
		return err
	}
	// By a shell, as attacker does it: a file that another fork still has open for writing is not executed.
	out, err := exec.Command("sh", "-c", "cp "+strconv.Quote(file)+" "+strconv.Quote(file+"2")+" && "+strconv.Quote(file+"2")).CombinedOutput()
	if err != nil {
		return fmt.Errorf("a program for i386: %w: %s", err, out)
	}
	return nil
}
