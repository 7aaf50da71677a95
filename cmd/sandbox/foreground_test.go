package main

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/pflag"
)

func TestMakesTerminals(t *testing.T) {
	at := func(pairs ...string) (mounts []specs.Mount) {
		for i := 0; i < len(pairs); i += 2 {
			mounts = append(mounts, specs.Mount{Destination: pairs[i], Type: pairs[i+1]})
		}
		return mounts
	}
	for _, tt := range []struct {
		mounts []specs.Mount
		want   bool
	}{
		{nil, false},
		{at("/dev", "tmpfs"), false},
		{at("/dev", "tmpfs", "/dev/pts", "devpts", "/dev/shm", "tmpfs"), true},
		{at("/dev/", "tmpfs", "/dev//pts/", "devpts"), true},
		{at("/dev", "tmpfs", "/dev/pts", "bind"), false},
		{at("/dev/pts", "devpts", "/dev", "bind"), false},
		{at("/dev/pts", "devpts", "/", "bind"), false},
		{at("/dev", "bind", "/dev/pts", "devpts"), true},
		{at("/dev/pts", "devpts", "/dev/ptsx", "tmpfs"), true},
	} {
		if got := makesTerminals(tt.mounts); got != tt.want {
			t.Errorf("%v: %v", tt.mounts, got)
		}
	}
}

// What is said about a terminal is what counts, whoever sits in front of it.
func TestOwnTerminalIsNotForced(t *testing.T) {
	for _, said := range []string{"--tty=false", "--tty", "--interactive", "--detach", "--console-socket=s"} {
		f := pflag.NewFlagSet("", pflag.ContinueOnError)
		new(runFlags).add(f)
		if err := f.Parse([]string{said}); err != nil {
			t.Fatal(err)
		}
		if own := ownTerminalFor(f); own != (ownTerminal{}) {
			t.Errorf("%s: %+v", said, own)
		}
	}
}
