package cgroup2

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// fake is a systemd that answers at a socket of its own as the real one does at systemd/private.
type fake struct {
	t      *testing.T
	path   string
	answer func(f *fake, c net.Conn, call *dbus.Message)
	calls  chan string // the methods that were called, in order
}

func newFake(t *testing.T, answer func(*fake, net.Conn, *dbus.Message)) *fake {
	t.Helper()
	dir, err := os.MkdirTemp("", "sd") // a socket's name is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	f := &fake{t: t, path: filepath.Join(dir, "private"), answer: answer, calls: make(chan string, 100)}
	l, err := net.Listen("unix", f.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go f.serve(c)
		}
	}()
	return f
}

func (f *fake) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	if b, err := in.ReadByte(); err != nil || b != 0 {
		return
	}
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		say := ""
		switch words := strings.Fields(line); words[0] {
		case "AUTH":
			say = "REJECTED EXTERNAL"
			if len(words) > 1 {
				say = "DATA"
			}
		case "DATA":
			say = "OK 0123456789abcdef0123456789abcdef"
		case "NEGOTIATE_UNIX_FD":
			say = "AGREE_UNIX_FD"
		case "BEGIN":
		}
		if say == "" {
			break
		}
		if _, err := c.Write([]byte(say + "\r\n")); err != nil {
			return
		}
	}
	for {
		m, err := dbus.DecodeMessage(in)
		if err != nil {
			return
		}
		method, _ := m.Headers[dbus.FieldMember].Value().(string)
		f.calls <- method
		f.answer(f, c, m)
	}
}

func (f *fake) send(c net.Conn, m *dbus.Message) {
	var b bytes.Buffer
	if err := m.EncodeTo(&b, binary.LittleEndian); err != nil {
		f.t.Errorf("fake: %v", err)
		return
	}
	binary.LittleEndian.PutUint32(b.Bytes()[8:], 1) // a serial, which a library for clients does not set
	_, _ = c.Write(b.Bytes())                       // the client may have gone
}

func (f *fake) reply(c net.Conn, call *dbus.Message, body ...any) {
	f.send(c, message(dbus.TypeMethodReply, call, nil, body))
}

func (f *fake) refuse(c net.Conn, call *dbus.Message, name, text string) {
	f.send(c, message(dbus.TypeError, call, map[dbus.HeaderField]dbus.Variant{dbus.FieldErrorName: dbus.MakeVariant(name)}, []any{text}))
}

// jobRemoved is the signal at the end of a job.
func (f *fake) jobRemoved(c net.Conn, path, result string) {
	f.send(c, message(dbus.TypeSignal, nil, map[dbus.HeaderField]dbus.Variant{
		dbus.FieldPath: dbus.MakeVariant(dbus.ObjectPath(managerPath)), dbus.FieldInterface: dbus.MakeVariant(manager),
		dbus.FieldMember: dbus.MakeVariant("JobRemoved"),
	}, []any{uint32(1), dbus.ObjectPath(path), "unit", result}))
}

func message(kind dbus.Type, call *dbus.Message, headers map[dbus.HeaderField]dbus.Variant, body []any) *dbus.Message {
	m := &dbus.Message{Type: kind, Headers: map[dbus.HeaderField]dbus.Variant{dbus.FieldSender: dbus.MakeVariant(systemdName)}, Body: body}
	for k, v := range headers {
		m.Headers[k] = v
	}
	if call != nil {
		m.Headers[dbus.FieldReplySerial] = dbus.MakeVariant(call.Serial())
	}
	if len(body) > 0 {
		m.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(body...))
	}
	return m
}

const job = "/org/freedesktop/systemd1/job/7"

// host has a process 42 that is in the scope already.
func (f *fake) host(patience time.Duration) Host {
	h := tree(f.t, "0::/\n")
	dir := filepath.Join(h.Proc, "42")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cgroup"), []byte("0::/user.slice/sandbox-web.scope\n"), 0o644); err != nil {
		f.t.Fatal(err)
	}
	h.Patience = patience
	return h
}

func (f *fake) admit(h Host, w Want) (Placement, error) {
	s, err := h.newScope(w, f.path)
	if err != nil {
		f.t.Fatal(err)
	}
	defer s.close()
	s.connect()
	return s.admit(42)
}

func TestScope(t *testing.T) {
	f := newFake(t, func(f *fake, c net.Conn, call *dbus.Message) {
		if len(call.Body) != 4 || call.Body[0] != "sandbox-web.scope" || call.Body[1] != "fail" {
			f.t.Errorf("asked for %v", call.Body)
		}
		// the end of another job, and of this one before the answer, as it happens
		f.jobRemoved(c, "/org/freedesktop/systemd1/job/6", "failed")
		f.jobRemoved(c, job, "done")
		f.reply(c, call, dbus.ObjectPath(job))
	})
	p, err := f.admit(f.host(5*time.Second), Want{ID: "web", Writes: []Write{{File: "pids.max", Value: "5"}}})
	if want := (Placement{Path: "/user.slice/sandbox-web.scope", Owned: true, Unit: "sandbox-web.scope", Bus: f.path}); err != nil || p != want {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestScopeFails: whatever systemd does, there is one clear error within the patience.
func TestScopeFails(t *testing.T) {
	for what, c := range map[string]struct {
		answer func(*fake, net.Conn, *dbus.Message)
		want   string
	}{
		"no answer": {func(*fake, net.Conn, *dbus.Message) {}, "systemd has not answered to StartTransientUnit in time"},
		"an error": {func(f *fake, c net.Conn, call *dbus.Message) {
			f.refuse(c, call, "org.freedesktop.DBus.Error.AccessDenied", "not for you")
		}, "not for you"},
		"a failed job": {func(f *fake, c net.Conn, call *dbus.Message) {
			f.reply(c, call, dbus.ObjectPath(job))
			f.jobRemoved(c, job, "failed")
		}, `systemd's job ended with "failed"`},
		"a job without an end": {func(f *fake, c net.Conn, call *dbus.Message) {
			f.reply(c, call, dbus.ObjectPath(job))
		}, "systemd has not finished its job in time"},
		"the end of the connection": {func(_ *fake, c net.Conn, _ *dbus.Message) { c.Close() }, "the connection to systemd has ended"},
		"the end of the connection, later": {func(f *fake, c net.Conn, call *dbus.Message) {
			f.reply(c, call, dbus.ObjectPath(job))
			time.Sleep(50 * time.Millisecond)
			c.Close()
		}, "the connection to systemd has ended"},
		"nonsense": {func(f *fake, c net.Conn, call *dbus.Message) { f.reply(c, call, "not a path") }, "start sandbox-web.scope"},
	} {
		f := newFake(t, c.answer)
		begin := time.Now()
		p, err := f.admit(f.host(300*time.Millisecond), Want{ID: "web"})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %+v, %v; want %q", what, p, err, c.want)
		}
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("%s: took %s", what, took)
		}
	}
}

// TestScopeName: what a failed container left is forgotten; a name of ours gives way, one that was asked for does not.
func TestScopeTaken(t *testing.T) {
	exists := "org.freedesktop.systemd1.UnitExists"
	once := true
	f := newFake(t, func(f *fake, c net.Conn, call *dbus.Message) {
		method, _ := call.Headers[dbus.FieldMember].Value().(string)
		switch {
		case method == "ResetFailedUnit":
			f.reply(c, call)
		case once:
			once = false
			f.refuse(c, call, exists, "Unit sandbox-web.scope already exists.")
		default:
			f.reply(c, call, dbus.ObjectPath(job))
			f.jobRemoved(c, job, "done")
		}
	})
	if p, err := f.admit(f.host(5*time.Second), Want{ID: "web"}); err != nil || p.Unit != "sandbox-web.scope" {
		t.Errorf("%+v, %v", p, err)
	}
	for _, want := range []string{"StartTransientUnit", "ResetFailedUnit", "StartTransientUnit"} {
		if got := <-f.calls; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	always := newFake(t, func(f *fake, c net.Conn, call *dbus.Message) { f.refuse(c, call, exists, "taken") })
	begin := time.Now()
	_, err := always.admit(always.host(5*time.Second), Want{ID: "web", Path: "user.slice:sandbox:web"})
	if !errors.Is(err, ErrUnitTaken) || !strings.Contains(err.Error(), "systemctl --user status sandbox-web.scope") || time.Since(begin) > 4*time.Second {
		t.Errorf("after %s: %v", time.Since(begin), err)
	}
}

// TestJoin: where the kernel forbids the move, systemd is asked.
func TestJoin(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may write every file")
	}
	asked := make(chan []any, 1)
	f := newFake(t, func(f *fake, c net.Conn, call *dbus.Message) {
		asked <- call.Body
		f.reply(c, call)
	})
	h := tree(t, "0::/\n", "u/s.scope/below")
	procs := filepath.Join(h.Mount, "u/s.scope/below/cgroup.procs")
	if err := os.Chmod(procs, 0o444); err != nil {
		t.Fatal(err)
	}
	p := Placement{Path: "/u/s.scope", Owned: true, Unit: "s.scope", Bus: f.path}
	if err := p.Join(h, "/u/s.scope/below", 42); err != nil {
		t.Fatal(err)
	}
	if body := <-asked; len(body) != 3 || body[0] != "s.scope" || body[1] != "/below" {
		t.Errorf("asked for %v", body)
	}
	p.Unit = ""
	if err := p.Join(h, "/u/s.scope/below", 42); !errors.Is(err, os.ErrPermission) {
		t.Errorf("a directory: %v", err)
	}
}

func TestNobodyListens(t *testing.T) {
	h := Host{Patience: time.Second}
	if _, err := h.dial(filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "connect to systemd") {
		t.Error(err)
	}
}
