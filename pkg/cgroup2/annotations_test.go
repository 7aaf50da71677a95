package cgroup2

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"
)

func TestAnnotated(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"TimeoutStopUSec", "uint64 123456789", "TimeoutStopUSec=t 123456789"},
		{"TimeoutStopSec", "5", "TimeoutStopUSec=t 5000000"},
		{"TimeoutStopSec", "uint64 7", "TimeoutStopUSec=t 7000000"},
		{"TimeoutStopSec", "1.5", "TimeoutStopUSec=t 1500000"},
		{"TimeoutStopSec", "byte 0x01", "TimeoutStopUSec=t 1000000"},
		{"TimeoutStopSec", "int16 2", "TimeoutStopUSec=t 2000000"},
		{"CollectMode", "'inactive'", ""},
		{"KillMode", "'mixed'", "KillMode=s mixed"},
		{"KillSignal", "15", "KillSignal=i 15"},
		{"After", "['a.service', 'b.service']", "After=as [a.service b.service]"},
		{"SendSIGKILL", "false", "SendSIGKILL=b false"},
		{"Description", `"it's \"mine\""`, `Description=s it's "mine"`},
		{"TimeoutStopSec", "'x'", ""},
		{"TimeoutStopSec", "-1", ""},
		{"TimeoutStopSec", "1e30", ""},
		{"Delegate", "false", ""},
		{"Slice", "'x.slice'", ""},
		{"PIDs", "[1]", ""},
		{"killMode", "'mixed'", ""},
		{"Kill-Mode", "'mixed'", ""},
		{"", "1", ""},
		{"Ab", "1", ""},
		{"KillMode", "", ""},
		{"KillMode", "mixed", ""},
		{"KillMode", "'a\x00b'", ""},
		{"KillMode", "'" + strings.Repeat("x", 5000) + "'", ""},
		{"KillMode", strings.Repeat("[", 4000), ""},
	} {
		list, err := annotated(map[string]string{PropertyPrefix + c.name: c.text, "other": "x"})
		if got := show(list); got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s=%.40q: %s, %v, want %s", c.name, c.text, got, err, c.want)
		}
		if err != nil && !strings.Contains(err.Error(), PropertyPrefix+c.name) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	list, err := annotated(map[string]string{PropertyPrefix + "Ccc": "1", PropertyPrefix + "Aaa": "2", PropertyPrefix + "Bbb": "3"})
	if got := show(list); err != nil || got != "Aaa=i 2\nBbb=i 3\nCcc=i 1" {
		t.Errorf("order: %s %v", got, err)
	}
}

// FuzzAnnotated: no text panics, and what is accepted can be sent.
func FuzzAnnotated(f *testing.F) {
	for _, s := range []string{"uint64 5", "'text'", "[1,2]", "{'a':<1>}", "@as []", "1e9", "b'bytes'", "<<1>>", "(1,'x')", "[[", "'\\u0000'", "objectpath '/'", "signature 'a'"} {
		f.Add("TimeoutStopSec", s)
		f.Add("KillMode", s)
	}
	f.Fuzz(func(t *testing.T, name, text string) {
		p, err := propertyFrom(name, text)
		if err != nil {
			return
		}
		m := &dbus.Message{Type: dbus.TypeSignal, Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldPath: dbus.MakeVariant(dbus.ObjectPath("/x")), dbus.FieldInterface: dbus.MakeVariant("x.y"), dbus.FieldMember: dbus.MakeVariant("z"),
			dbus.FieldSignature: dbus.MakeVariant(dbus.SignatureOf(p.Value)),
		}, Body: []any{p.Value}}
		_ = m.EncodeTo(&bytes.Buffer{}, binary.LittleEndian) // an error is one of ours; a panic is not
	})
}
