package lifecycle

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
	"sandbox/pkg/slirp"
	"sandbox/pkg/userns"
)

// gateNetwork is passed when the network namespace is there and its ids are
// mapped. The network is made while the child goes on; gateReady waits for it.
const gateNetwork = "network"

// networkDir, in the container's directory, is the helper's.
const networkDir = "network"

// Network is what was asked for about a container's network.
type Network struct {
	Mode    string   // slirp4netns, pasta or none, with options; "" is what this host can do
	Publish []string // ports, as typed
	Names   slirp.Names
}

// network is a container's network under way.
type network struct {
	job    slirp.Job
	names  slirp.Names
	dir    string
	short  *kernel.Cause // why it is less than what was meant
	net    *os.File
	user   *os.File
	ready  *os.File
	helper *exec.Cmd
	failed chan error
}

// decideNetwork checks all that can be checked before anything is made, and
// chooses what was left open.
func (r *Runtime) decideNetwork(n *Network) (*network, error) {
	w := &network{names: n.Names}
	if err := n.Names.Validate(); err != nil {
		return nil, err
	}
	var config *slirp.Config
	var err error
	if n.Mode == "" {
		if config, err = slirp.Choose(); err != nil {
			cause := kernel.New(kernel.NetworkNone, err.Error())
			w.short = &cause
			config, err = slirp.ParseMode(slirp.None)
		}
	} else if config, err = slirp.ParseMode(n.Mode); err == nil {
		err = config.Ready()
	}
	if err != nil {
		return nil, err
	}
	if err := config.CheckNames(&n.Names); err != nil {
		return nil, err
	}
	w.job.Config, w.job.Restart = *config, true
	for _, value := range n.Publish {
		list, err := slirp.ParsePorts(value)
		if err != nil {
			return nil, err
		}
		w.job.Ports = append(w.job.Ports, list...)
	}
	return w, slirp.Reserve(w.job.Ports)
}

// offerNetwork decides, and shows the container the files that speak of its
// network.
func (r *Runtime) offerNetwork(d *dir, o *Options) error {
	if o.Network == nil {
		return nil
	}
	if !freshNetwork(o.Spec) {
		return fmt.Errorf("--network: linux.namespaces has no network namespace of the container's own")
	}
	var err error
	if o.network, err = r.decideNetwork(o.Network); err != nil {
		return err
	}
	w := o.network
	if w.dir, err = filepath.Abs(filepath.Join(d.path, networkDir)); err != nil {
		return err
	}
	w.job.Dir, w.names.Hostname = w.dir, o.Spec.Hostname
	if err = os.Mkdir(d.inside(networkDir), 0o711); err == nil {
		err = w.files(o.Spec)
	}
	if err != nil {
		return r.because(kernel.Op{Do: kernel.UseRuntime, Path: d.path}, fmt.Errorf("record the network: %w", err))
	}
	return nil
}

// freshNetwork says whether a spec makes a network namespace.
func freshNetwork(s *specs.Spec) bool {
	if s.Linux == nil {
		return false
	}
	for _, n := range s.Linux.Namespaces {
		if n.Type == specs.NetworkNamespace {
			return n.Path == ""
		}
	}
	return false
}

// files writes them and adds their mounts, except where the spec mounts something
// itself or the root has no place for them.
func (w *network) files(s *specs.Spec) error {
	list := map[string][]byte{"/etc/resolv.conf": w.job.ResolvFile(&w.names)}
	if !w.names.NoHosts {
		list["/etc/hosts"] = w.job.HostsFile(&w.names)
	}
	if s.Hostname != "" {
		list["/etc/hostname"] = []byte(s.Hostname + "\n")
	}
	for _, name := range []string{"/etc/hosts", "/etc/hostname", "/etc/resolv.conf"} {
		content, wanted := list[name]
		destination, ok := place(s, name)
		if !wanted || !ok {
			continue
		}
		source := filepath.Join(w.dir, filepath.Base(name))
		if err := write(source, content, 0o644); err != nil {
			return fmt.Errorf("write the container's %s: %w", name, err)
		}
		s.Mounts = append(s.Mounts, specs.Mount{
			Destination: destination, Type: "bind", Source: source, Options: []string{"bind", "rprivate", "nosuid", "nodev", "noexec"},
		})
	}
	return nil
}

// place is where a file of /etc is to be mounted: behind links, which may lead
// into a file system that the container mounts. A root that lacks the file and
// cannot be written to has no place for it.
func place(s *specs.Spec, name string) (string, bool) {
	root := s.Root.Path
	if root == "/" {
		root = ""
	}
	for i := 0; i < 8; i++ {
		for _, m := range s.Mounts {
			if filepath.Clean(m.Destination) == name {
				return "", false
			}
		}
		link, err := os.Readlink(root + name)
		if err != nil {
			break
		}
		if !filepath.IsAbs(link) {
			link = filepath.Join(filepath.Dir(name), link)
		}
		name = filepath.Clean(link)
	}
	for _, m := range s.Mounts {
		if d := filepath.Clean(m.Destination); m.Type == "tmpfs" && strings.HasPrefix(name, d+"/") {
			return name, true
		}
	}
	info, err := os.Lstat(root + name)
	if err == nil {
		return name, info.Mode().IsRegular()
	}
	return name, errors.Is(err, os.ErrNotExist) && unix.Access(root+filepath.Dir(name), unix.W_OK) == nil && root != ""
}

// makeNetwork is the child's side.
func (g *program) makeNetwork() {
	w := g.network
	if w == nil {
		return
	}
	p := g.plan
	p.Act("let ordinary users inside listen on every port, and ping")
	given := func(key string) bool { return g.Spec.Linux.Sysctl[key] != "" }
	for _, s := range []struct{ key, path, value string }{
		{"net.ipv4.ip_unprivileged_port_start", "net/ipv4/ip_unprivileged_port_start", "0"},
		{"net.ipv4.ping_group_range", "net/ipv4/ping_group_range", g.pingers()},
		// slirp4netns's address would be tentative for a second.
		{"net.ipv6.conf.default.accept_dad", "net/ipv6/conf/default/accept_dad", "0"},
	} {
		if !given(s.key) {
			// A read-only /proc/sys, or a kernel without it: what it would be for does not work then.
			p.WriteFile(plan.Cwd(), "/proc/sys/"+s.path, s.value, unix.EROFS, unix.EACCES, unix.EPERM, unix.ENOENT, unix.EINVAL)
		}
	}
	if !w.needed() {
		return
	}
	p.Act("let the parent make the network: %s", w.words())
	p.Gate(gateNetwork)
}

// pingers is the range of groups that may send ICMP echo requests: those that
// have an id inside, as far as it has no gaps (icmp(7)).
func (g *program) pingers() string {
	gid := g.Spec.Process.User.GID
	if !g.userns() {
		return "0 2147483647"
	}
	for _, e := range g.ids.GIDs {
		if gid >= e.Container && gid-e.Container < e.Size {
			return fmt.Sprintf("%d %d", e.Container, e.Container+e.Size-1)
		}
	}
	return fmt.Sprintf("%d %d", gid, gid)
}

func (w *network) needed() bool {
	return w != nil && (w.job.Kind != slirp.None || len(w.job.Ports) > 0)
}

func (w *network) words() string {
	s := w.job.Kind
	for _, p := range w.job.Ports {
		s += ", " + p.String()
	}
	return s
}

// born opens the namespaces while nobody has hidden them from us.
func (w *network) born(pid int, own bool) error {
	if !w.needed() {
		return nil
	}
	var err error
	if w.net, err = os.Open(procOf(pid) + "/ns/net"); err != nil {
		return fmt.Errorf("open the container's network namespace: %w", err)
	}
	if w.job.Userns = own; own {
		if w.user, err = os.Open(procOf(pid) + "/ns/user"); err != nil {
			return fmt.Errorf("open the container's user namespace: %w", err)
		}
	}
	return nil
}

// start starts the helper, beside the child.
func (b *birth) startNetwork() {
	w := b.network
	w.failed = make(chan error, 1)
	w.job.Init = b.pid
	_, uid := b.ids.HostUID(0)
	_, gid := b.ids.HostGID(0)
	w.job.RootID = uid && gid
	go func() { w.failed <- w.run(b.Attached) }()
}

func (w *network) run(attached bool) error {
	text, err := json.Marshal(&w.job)
	if err != nil {
		return err
	}
	job, err := memfile("job", text)
	if err != nil {
		return err
	}
	defer job.Close()
	fd, err := unix.PidfdOpen(w.job.Init, 0)
	if err != nil {
		return err
	}
	init := os.NewFile(uintptr(fd), "pidfd")
	defer init.Close()
	readyR, readyW, err := os.Pipe()
	if err != nil {
		return err
	}
	defer readyW.Close()
	user := w.user
	if user == nil {
		if user, err = os.Open(os.DevNull); err != nil {
			return err
		}
		defer user.Close()
	}
	c := exec.Command("/proc/self/exe", NetworkArg)
	c.Args[0] = "sandbox"
	// In the order of slirp.FdJob and what follows it.
	c.ExtraFiles = []*os.File{job, readyW, init, w.net, user}
	c.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	// Where it tells of a carrier that has died.
	c.Stderr = os.Stderr
	if !attached {
		log, err := os.OpenFile(filepath.Join(w.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer log.Close()
		c.Stderr = log
	}
	if err := c.Start(); err != nil {
		readyR.Close()
		return fmt.Errorf("start the network's helper: %w", err)
	}
	w.helper, w.ready = c, readyR
	return nil
}

// wait returns when the network works.
func (w *network) wait() error {
	if !w.needed() {
		return nil
	}
	err := <-w.failed
	w.failed <- err
	if err != nil {
		return err
	}
	said, err := io.ReadAll(io.LimitReader(w.ready, 64<<10))
	if err == nil && len(said) > 0 {
		err = errors.New(string(said))
	}
	if err == nil && !alive(w.helper.Process.Pid) {
		err = errors.New("its helper has ended")
	}
	if err != nil {
		return fmt.Errorf("network: %w", err)
	}
	return nil
}

func alive(pid int) bool {
	s, err := statOf(pid)
	return err == nil && s.state != 'Z' && s.state != 'X'
}

// close closes what the start needed; abort also ends the helper.
func (w *network) close() {
	if w == nil {
		return
	}
	for _, f := range []*os.File{w.net, w.user, w.ready} {
		if f != nil {
			f.Close()
		}
	}
}

func (w *network) abort() {
	if !w.needed() || w.failed == nil {
		return
	}
	if <-w.failed == nil {
		_ = w.helper.Process.Kill()
		_ = w.helper.Wait()
	}
}

// Helper is a process that holds a container's network.
type Helper struct {
	Pid   int    `json:"pid"`
	Begin uint64 `json:"begin"` // as Record.Begin
}

func (w *network) recorded() *Helper {
	if !w.needed() || w.helper == nil {
		return nil
	}
	s, err := statOf(w.helper.Process.Pid)
	if err != nil {
		return nil
	}
	return &Helper{w.helper.Process.Pid, s.begin}
}

// endNetwork waits until the ports of a container that has ended are free. Its
// helper ends by itself; one that hangs is killed.
func (r *Record) endNetwork(dir string) {
	h := r.Helper
	if h == nil || r.Boot != bootID() {
		return
	}
	fd, err := unix.PidfdOpen(h.Pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if s, err := statOf(h.Pid); err != nil || s.begin != h.Begin {
		return
	}
	for end := time.Now().Add(2 * time.Second); !slirp.Closed(dir); {
		if pidfdEnds(fd, time.Millisecond) {
			break
		}
		if time.Now().After(end) {
			_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
			pidfdEnds(fd, 2*time.Second)
			break
		}
	}
	_, _ = unix.Wait4(h.Pid, nil, unix.WNOHANG, nil) // where it is our child
}

// pidfdEnds waits at most so long for a process to end.
func pidfdEnds(fd int, most time.Duration) bool {
	for end := time.Now().Add(most); ; {
		left := time.Until(end)
		if left <= 0 {
			return false
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
		if n > 0 || err != nil && !errors.Is(err, unix.EINTR) {
			return n > 0
		}
	}
}

// Ports lists the published ports of a container, after adding some or removing
// one (a host port, with /udp where it is that).
func (r *Runtime) Ports(id string, add []string, remove string) ([]slirp.Port, error) {
	path, err := r.path(id)
	if err != nil {
		return nil, err
	}
	rec, err := readRecord(path)
	if err != nil {
		return nil, notExist(nil, err)
	}
	if !rec.alive() {
		return nil, ErrNotRunning
	}
	var ports []slirp.Port
	for _, value := range add {
		list, err := slirp.ParsePorts(value)
		if err != nil {
			return nil, err
		}
		ports = append(ports, list...)
	}
	if rec.Helper == nil {
		if len(add) > 0 || remove != "" {
			return nil, fmt.Errorf("container %s has no network of ours to publish ports of; run it with --network slirp4netns, or with a port (-p)", id)
		}
		return nil, nil
	}
	dir, err := unix.Open(filepath.Join(path, networkDir), unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(dir)
	return slirp.Ask(fmt.Sprintf("/proc/self/fd/%d", dir), ports, remove)
}

// The only argument of the processes that a network consists of.
const (
	NetworkArg = "__network"
	PortsArg   = slirp.PortsArg
	HoldArg    = slirp.HoldArg
)

// ServeNetwork is the helper's whole life. It was started by run, with the
// descriptors of slirp.FdJob.
func ServeNetwork() error {
	job, err := slirp.ReadJob()
	if err != nil {
		return fmt.Errorf("read what the network is to be: %w", err)
	}
	h := &slirp.Helper{Job: job, Spawn: func(p *slirp.Program) (int, error) { return spawnBeside(&job, p) }}
	return h.OnMain(h.Serve)
}

// spawnBeside starts a program that belongs to a container without being in it.
// One of ours in its user namespace, where root inside could look into it if it
// saw it (--pid host), has nothing to give: an empty directory for a root, no
// capabilities, no descriptors.
func spawnBeside(job *slirp.Job, of *slirp.Program) (int, error) {
	exe, err := os.Open("/proc/self/exe")
	if err != nil {
		return 0, err
	}
	defer exe.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	p := plan.New()
	p.Private = true
	p.Act("keep the container out of this process")
	p.Prctl(unix.PR_SET_DUMPABLE, plan.C(0))
	p.Act("join the container's namespaces")
	if of.User {
		p.Setns(plan.C(slirp.FdUser), unix.CLONE_NEWUSER)
	}
	if of.Net {
		p.Setns(plan.C(slirp.FdNet), unix.CLONE_NEWNET)
	}
	if of.Root != "" {
		onlyTree(p, of.Root)
	}
	if of.User && job.RootID {
		p.Act("be root of the user namespace")
		p.Do("setresgid", unix.SYS_SETRESGID, plan.C(0), plan.C(0), plan.C(0))
		p.Do("setresuid", unix.SYS_SETRESUID, plan.C(0), plan.C(0), plan.C(0))
	}
	if of.Path == "" {
		p.Act("have no capabilities")
		p.Prctl(unix.PR_SET_SECUREBITS, plan.C(noRoot)).Ignore(unix.EPERM)
		p.Prctl(unix.PR_SET_NO_NEW_PRIVS, plan.C(1), plan.C(0), plan.C(0), plan.C(0))
	}
	p.Act("end with the helper")
	p.Prctl(unix.PR_SET_PDEATHSIG, plan.C(int(unix.SIGKILL)))
	p.Act("exec: %q", of.Args[0])
	out := of.Stderr
	if out == nil {
		out = null
	}
	// Up first, so that none is overwritten before its turn.
	const high = 64
	files := append([]*os.File{null, out, out}, of.Files...)
	for i, f := range files {
		p.Do("dup3", unix.SYS_DUP3, plan.C(int(f.Fd())), plan.C(high+i), plan.C(0))
	}
	program := high + len(files)
	p.Do("dup3", unix.SYS_DUP3, plan.C(int(exe.Fd())), plan.C(program), plan.C(unix.O_CLOEXEC))
	for i := range files {
		p.Do("dup3", unix.SYS_DUP3, plan.C(high+i), plan.C(i), plan.C(0))
	}
	p.CloseFrom(len(files), unix.CLOSE_RANGE_CLOEXEC)
	defaultSignals(p)
	p.Note(userns.NoteExec)
	args, env := plan.M(plan.CStrings(of.Args)), plan.M(plan.CStrings(of.Env))
	if of.Path == "" {
		p.Do("execveat", unix.SYS_EXECVEAT, plan.C(program), plan.S(""), args, env, plan.C(unix.AT_EMPTY_PATH))
	} else {
		p.Do("execve", unix.SYS_EXECVE, plan.S(of.Path), args, env) // by name: it may be a script
	}
	child, err := userns.Spawn(userns.Request{Plan: p})
	if err != nil {
		return 0, err
	}
	child.PidFD.Close()
	return child.Pid, nil
}

// onlyTree makes a directory the root, and lets go of everything else.
func onlyTree(p *plan.Plan, path string) {
	p.Act("see nothing but %s", path)
	p.Unshare(unix.CLONE_NEWNS)
	p.Propagation("/", unix.MS_REC|unix.MS_PRIVATE)
	place := p.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW).To("directory")
	root := p.CloneTree(plan.R(place), "", false).To("root")
	p.MoveMount(root, place)
	p.Fchdir(root)
	p.Do("pivot_root", unix.SYS_PIVOT_ROOT, plan.S("."), plan.S("."))
	p.Do("umount2", unix.SYS_UMOUNT2, plan.S("."), plan.C(unix.MNT_DETACH))
}

// noRoot are SECBIT_NOROOT and its lock of linux/securebits.h: exec gives uid 0
// nothing (capabilities(7)).
const noRoot = 1<<0 | 1<<1

// ServePorts is the life of the port driver's half inside.
func ServePorts() error { return slirp.ServePorts() }

// ServeHold is the life of a process that only is in namespaces.
func ServeHold() error {
	for {
		time.Sleep(time.Hour)
	}
}

// Port is a published port.
type Port = slirp.Port

// JoinNetwork makes a spec join the network of a running container, and the user
// namespace that owns it: only there are we allowed to.
func (r *Runtime) JoinNetwork(s *specs.Spec, id string) error {
	path, err := r.path(id)
	if err != nil {
		return err
	}
	rec, err := readRecord(path)
	if err != nil {
		return fmt.Errorf("--network container:%s: %w", id, notExist(nil, err))
	}
	if !rec.alive() {
		return fmt.Errorf("--network container:%s: %w", id, ErrNotRunning)
	}
	own, err := foreign(rec.Pid)
	if err != nil {
		return err
	}
	for i := range s.Linux.Namespaces {
		n := &s.Linux.Namespaces[i]
		switch {
		case n.Type == specs.NetworkNamespace:
			n.Path = procOf(rec.Pid) + "/ns/net"
		case n.Type == specs.UserNamespace && own&unix.CLONE_NEWUSER != 0:
			n.Path = procOf(rec.Pid) + "/ns/user"
			s.Linux.UIDMappings, s.Linux.GIDMappings = nil, nil
		}
	}
	return nil
}
