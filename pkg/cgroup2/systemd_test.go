package cgroup2

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"
)

// fakeSystemd answers on a socket as systemd does on its private one: D-Bus
// without a daemon between.
type fakeSystemd struct {
	path   string // the socket
	answer func(c *call)

	mu    sync.Mutex
	calls []string // "MethodName unit"
}

// call is one that has come in. What is not answered waits for ever.
type call struct {
	method string
	body   []any

	t    testing.TB
	conn net.Conn
	msg  *dbus.Message
}

// listen makes the socket in a folder with a short name: a path has 107 bytes.
func listen(t testing.TB, name string) (net.Listener, string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "cg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	for _, one := range []string{dir, p} { // for a caller who is not root
		if err := os.Chmod(one, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	return l, p
}

func startSystemd(t testing.TB, name string, answer func(*call)) *fakeSystemd {
	l, p := listen(t, name)
	f := &fakeSystemd{path: p, answer: answer}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			go f.serve(t, conn)
		}
	}()
	return f
}

func (f *fakeSystemd) serve(t testing.TB, conn net.Conn) {
	in := bufio.NewReader(conn)
	if !authenticate(in, conn) {
		conn.Close()
		return
	}
	for {
		m, err := dbus.DecodeMessage(in)
		if err != nil {
			return
		}
		method, _ := m.Headers[dbus.FieldMember].Value().(string)
		c := &call{method: method, body: m.Body, t: t, conn: conn, msg: m}
		note := method
		if len(m.Body) > 0 {
			note += fmt.Sprint(" ", m.Body[0])
		}
		f.mu.Lock()
		f.calls = append(f.calls, note)
		f.mu.Unlock()
		f.answer(c)
	}
}

func (f *fakeSystemd) seen() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.calls, ", ")
}

// authenticate is the server's side (D-Bus Specification, "Authentication
// Protocol"), for EXTERNAL without a user id.
func authenticate(in *bufio.Reader, out net.Conn) bool {
	if b, err := in.ReadByte(); err != nil || b != 0 {
		return false
	}
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return false
		}
		reply := "ERROR"
		switch strings.TrimSpace(line) {
		case "AUTH":
			reply = "REJECTED EXTERNAL"
		case "AUTH EXTERNAL":
			reply = "DATA"
		case "DATA":
			reply = "OK 0123456789abcdef0123456789abcdef"
		case "NEGOTIATE_UNIX_FD":
			reply = "AGREE_UNIX_FD"
		case "BEGIN":
			return true
		}
		if _, err := out.Write([]byte(reply + "\r\n")); err != nil {
			return false
		}
	}
}

func (c *call) send(kind dbus.Type, headers map[dbus.HeaderField]dbus.Variant, body ...any) {
	if len(body) > 0 {
		headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(body...))
	}
	m := &dbus.Message{Type: kind, Headers: headers, Body: body}
	var b strings.Builder
	if err := m.EncodeTo(&b, binary.LittleEndian); err != nil {
		c.t.Error(err)
		return
	}
	text := []byte(b.String())
	text[8] = 1 // a serial must not be 0, and nobody looks at it
	_, _ = c.conn.Write(text)
}

func (c *call) reply(body ...any) {
	c.send(dbus.TypeMethodReply, map[dbus.HeaderField]dbus.Variant{dbus.FieldReplySerial: dbus.MakeVariant(c.msg.Serial())}, body...)
}

func (c *call) refuse(name, text string) {
	c.send(dbus.TypeError, map[dbus.HeaderField]dbus.Variant{
		dbus.FieldReplySerial: dbus.MakeVariant(c.msg.Serial()), dbus.FieldErrorName: dbus.MakeVariant(name)}, text)
}

func (c *call) removed(job, unit, result string) {
	c.send(dbus.TypeSignal, map[dbus.HeaderField]dbus.Variant{
		dbus.FieldPath: dbus.MakeVariant(dbus.ObjectPath(managerPath)), dbus.FieldInterface: dbus.MakeVariant(manager), dbus.FieldMember: dbus.MakeVariant("JobRemoved"),
	}, uint32(7), dbus.ObjectPath(job), unit, result)
}

// started answers StartTransientUnit as a systemd in order does: another job's
// end comes between.
func (c *call) started(result string) {
	unit, _ := c.body[0].(string)
	c.removed("/job/6", "other.scope", "failed")
	c.reply(dbus.ObjectPath("/job/7"))
	c.removed("/job/7", unit, result)
}
