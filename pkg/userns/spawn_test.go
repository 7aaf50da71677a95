package userns

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"sandbox/pkg/idmap"
	"sandbox/pkg/plan"
)

// execPlan ends a plan with the exec of a program.
func execPlan(p *plan.Plan, argv ...string) {
	p.Act("run %s", argv[0])
	p.Note(NoteExec)
	p.Do("execve", unix.SYS_EXECVE, plan.S(argv[0]), plan.M(plan.CStrings(argv)), plan.M(plan.CStrings(nil)))
}

func caller() idmap.Caller {
	return idmap.Caller{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
}

func TestSpawnExec(t *testing.T) {
	p := plan.New()
	p.Act("wait for the id map")
	p.Gate(GateMapped)
	execPlan(p, "/bin/sh", "-c", "exit 7")
	c := caller()
	child, err := Spawn(Request{
		New:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID,
		Plan: p, IDs: idmap.Single(0, 0, c), Caller: c,
	})
	if err != nil {
		t.Fatal(err)
	}
	status, err := child.Wait()
	if err != nil || status.ExitStatus() != 7 {
		t.Fatalf("status %v, %v", status, err)
	}
}
