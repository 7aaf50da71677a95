package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// vmPlace is what hack/vm finds instead of a machine: an image without content, and programs that write down what they are
// asked to do.
type vmPlace struct {
	t        *testing.T
	dir, log string
	env      []string
}

func newVMPlace(t *testing.T) *vmPlace {
	t.Helper()
	for _, program := range []string{"exec:bash", "exec:tar", "exec:sha256sum"} {
		newMachine().skipUnless(t, program)
	}
	if _, err := os.Stat("../hack/vm"); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	v := &vmPlace{t: t, dir: dir, log: filepath.Join(dir, "log")}
	v.env = append(os.Environ(), "PATH="+dir+"/bin:"+os.Getenv("PATH"), "CACHE="+dir+"/cache", "LOG="+v.log, "VM_BOOT=1", "HOME="+dir)
	v.write("bin/go", "#!/bin/sh\nwhile test $# -gt 1; do if test $1 = -o; then : >$2; fi; shift; done\n")
	v.write("bin/qemu-system-x86_64", "#!/bin/sh\necho \"qemu $*\" >>$LOG\n")
	v.write("bin/ssh", "#!/bin/sh\nfor last; do :; done\ncase $last in 'tar -xf'*) tar -tvf - | sed 's/^/sent /' >>$LOG ;; *) exit 255 ;; esac\n")
	name := v.sh("cd .. && sha256sum hack/vm.image | cut -c1-16")
	for _, file := range []string{"done", "key", "disk.img"} {
		v.write("cache/"+strings.TrimSpace(name)+"/"+file, "")
	}
	return v
}

func (v *vmPlace) write(name, text string) {
	path := filepath.Join(v.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		v.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		v.t.Fatal(err)
	}
}

// sh is the output of a line of shell, whatever its status is.
func (v *vmPlace) sh(line string) string {
	cmd := exec.Command("bash", "-c", line)
	cmd.Env = v.env
	out, _ := cmd.CombinedOutput() // most of these fail on purpose
	return string(out)
}

// logged is what the programs were asked to do since the last look.
func (v *vmPlace) logged() string {
	text, _ := os.ReadFile(v.log) // nothing was asked then
	_ = os.Remove(v.log)
	return string(text)
}

// TestVMAsksForKVM only where that is said.
func TestVMAsksForKVM(t *testing.T) {
	v := newVMPlace(t)
	for value, want := range map[string]string{"": "-accel tcg", "0": "-accel tcg", "no": "-accel tcg", "1": "-accel kvm"} {
		out := v.sh("VM_KVM=" + value + " ../hack/vm start")
		if got := v.logged(); !strings.Contains(got, want) {
			t.Errorf("VM_KVM=%s: qemu was asked %q, want %s; hack/vm said %s", value, got, want, out)
		}
	}
	if out := v.sh("VM_KVM=maybe ../hack/vm start"); !strings.Contains(out, "VM_KVM=maybe is neither 0 nor 1") || v.logged() != "" {
		t.Errorf("VM_KVM=maybe: %s", out)
	}
}

// TestVMPushes what was typed, from where it was typed.
func TestVMPushes(t *testing.T) {
	v := newVMPlace(t)
	v.write("elsewhere/one", "1")
	v.write("two", "22")
	out := v.sh(`hack=$PWD/../hack
		cd ../ && name=sandbox-vm-$(id -u)-$(pwd | cksum | cut -d' ' -f1); cd - >/dev/null
		run=${XDG_RUNTIME_DIR:-${TMPDIR:-/tmp}}; test $(id -u) -ne 0 || run=/run
		test ! -e $run/$name || { echo "a machine runs"; exit; }
		mkdir -m 0700 $run/$name && trap "rm -r $run/$name" EXIT
		echo 1 >$run/$name/port
		(exec -a hostfwd=tcp:127.0.0.1:1- sleep 60) & echo $! >$run/$name/pid
		cd ` + v.dir + `/elsewhere && $hack/vm push one ` + v.dir + `/two; kill $!`)
	if strings.Contains(out, "a machine runs") {
		t.Fatal("hack/vm has a machine running here: hack/vm stop")
	}
	got := v.logged()
	for _, want := range []string{" 1 ", " one\n", " 2 ", " two\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in what was sent: %q; hack/vm said %s", want, got, out)
		}
	}
}
