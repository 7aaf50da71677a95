package world

import (
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/idmap"
	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
)

// World is what surrounds the payload of a start besides its root, while the steps that make it are written.
type World struct {
	Spec *specs.Spec
	NS   Namespaces
	IDs  idmap.Map // of a new user namespace
	Plan *plan.Plan

	Born      uintptr // the namespaces that the container is born in, CLONE_NEW*
	Overrides bool    // the caller has CAP_DAC_OVERRIDE
}

// Fresh says whether the container has a new namespace of a kind.
func (w *World) Fresh(flag uintptr) bool { return w.NS.Fresh&flag != 0 }

// Userns says whether the container is in another user namespace than we.
func (w *World) Userns() bool {
	return w.Fresh(unix.CLONE_NEWUSER) || w.NS.Joined(unix.CLONE_NEWUSER)
}

// Hide keeps processes out that see the child while it makes the container: it
// holds the host's files, and whoever shares its pid
// namespace and ids, as the containers of a pod do, could take them
// (CVE-2016-9962). A new user namespace does not keep them out either: to a
// process in ours with its owner's id, whatever its capabilities, it gives all
// rights (user_namespaces(7)). The id map of a hidden process is root's to write;
// another caller hides it when the map is there, see BecomeRoot.
func (w *World) Hide() {
	if w.NS.Joined(unix.CLONE_NEWPID) && (!w.Fresh(unix.CLONE_NEWUSER) || w.Overrides) {
		w.hideNow()
	}
}

func (w *World) hideNow() {
	w.Plan.Act("keep other containers out of this process")
	w.Plan.Prctl(unix.PR_SET_DUMPABLE, plan.C(0))
}

// BecomeRoot waits for the id map and takes the container's root id, where
// there is one: files made from here on must have an owner inside.
func (w *World) BecomeRoot() {
	p := w.Plan
	if w.Fresh(unix.CLONE_NEWUSER) {
		p.Act("wait for the id map")
		p.Gate(plan.GateMapped)
		if w.NS.Joined(unix.CLONE_NEWPID) {
			w.hideNow()
		}
	}
	_, uid := w.IDs.HostUID(0)
	_, gid := w.IDs.HostGID(0)
	if w.Userns() && uid && gid {
		p.Act("become root of the user namespace")
		p.About(kernel.Attempt{Op: kernel.Op{Do: kernel.SetID, UIDs: []uint32{0}, GIDs: []uint32{0}}})
		p.Do("setresgid", unix.SYS_SETRESGID, plan.C(0), plan.C(0), plan.C(0))
		p.Do("setresuid", unix.SYS_SETRESUID, plan.C(0), plan.C(0), plan.C(0))
	}
}
