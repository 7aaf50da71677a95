package kernel

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestRequire(t *testing.T) {
	var c Contract
	c.Grant(FeatUserns)
	c.Grant(FeatCgroup)
	c.Degrade(FeatPidns, "shares the caller's processes", New(ProcMasked, "mounted over proc: /proc/bus"))
	c.Refuse(FeatCgroupMemory, New(CgroupDelegated, "our group is /x"))

	if err := c.Require([]string{FeatUserns, " cgroup "}); err != nil {
		t.Errorf("granted features: %v", err)
	}
	if err := c.Require([]string{FeatRlimits, FeatGroups, FeatCaps, FeatDevices, FeatOOM, FeatMounts}); err != nil {
		t.Errorf("given as asked, and nothing asked: %v", err)
	}
	if err := c.Require(nil); err != nil {
		t.Errorf("nothing required: %v", err)
	}
	cases := []struct {
		features []string
		code     Code
		says     []string
	}{
		{[]string{FeatPidns}, ProcMasked, []string{"required feature not granted: pidns is degraded (shares the caller's processes): a new proc", "/proc/bus", "fix: (pod)"}},
		{[]string{FeatCgroupMemory}, CgroupDelegated, []string{"cgroup.memory is refused: no cgroup"}},
		{[]string{FeatCow, FeatCgroupMemory, FeatPidns, FeatPidns}, CgroupDelegated, []string{"cow was not asked for (--cow, or -v DIR:DIR:O); cgroup.memory is refused; pidns is degraded (shares the caller's processes): no cgroup"}},
		{[]string{FeatNetns}, "", []string{"netns was not asked for (leave out --network host; in a bundle linux.namespaces)"}},
	}
	for _, k := range cases {
		err := c.Require(k.features)
		if !errors.Is(err, ErrRequired) {
			t.Fatalf("%q: got %v", k.features, err)
		}
		var r *Refusal
		if errors.As(err, &r) != (k.code != "") || r != nil && r.Cause.Code != k.code {
			t.Errorf("%q: got %v", k.features, err)
		}
		for _, s := range k.says {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%q is not in %v", s, err)
			}
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("more than one line: %v", err)
		}
	}
}

func TestRequireUnknown(t *testing.T) {
	for _, bad := range []string{"", "cgroup.", "cgroup.*", "Userns", "net", strings.Repeat("x", 1000)} {
		err := (Contract{}).Require([]string{FeatUserns, bad})
		if err == nil || errors.Is(err, ErrRequired) {
			t.Fatalf("%q: got %v", bad, err)
		}
		for _, f := range Features() {
			if !strings.Contains(err.Error(), f) {
				t.Errorf("%s is not in %v", f, err)
			}
		}
		if len(err.Error()) > 600 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	}
}

// Every feature that there is is in what is reported, and who requires it is told how to ask.
func TestEvery(t *testing.T) {
	var c Contract
	c.Grant(FeatSeccomp)
	c.Refuse(FeatCgroup, New(CgroupDelegated))
	all := c.Every()
	for i, name := range Features() {
		want := NotAsked
		switch name {
		case FeatSeccomp:
			want = Granted
		case FeatCgroup:
			want = Refused
		}
		if len(all) != len(Features()) || all[i].Feature != name || all[i].Result != want {
			t.Fatalf("%d: %+v, want %s %s", i, all, name, want)
		}
		if err := (Contract{}).Require([]string{name}); err != nil && !strings.Contains(err.Error(), name+" was not asked for ("+howToAsk[name]+")") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name := range howToAsk {
		if !slices.Contains(Features(), name) {
			t.Errorf("%s is no feature", name)
		}
	}
}

// A loss is never hidden by what came later.
func TestWorstOutcomeStays(t *testing.T) {
	var c Contract
	c.Grant(FeatNetns)
	c.Degrade(FeatNetns, "first", New(NetworkNone))
	c.Degrade(FeatNetns, "second", New(NetworkNone))
	c.Grant(FeatNetns)
	if o, _ := c.Of(FeatNetns); len(c) != 1 || o.Result != Degraded || o.Lost != "first" {
		t.Errorf("got %+v", c)
	}
	c.Refuse(FeatNetns, New(NetworkNone))
	c.Degrade(FeatNetns, "third", New(NetworkNone))
	if o, _ := c.Of(FeatNetns); len(c) != 1 || o.Result != Refused {
		t.Errorf("got %+v", c)
	}
}

func TestContractJSON(t *testing.T) {
	var c Contract
	c.Grant(FeatUserns)
	c.Degrade(FeatNetwork, "loopback only", New(NetworkNone))
	data, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(data), `[{"feature":"userns","result":"granted"},{"feature":"network","result":"degraded","lost":"loopback only","cause":{"code":"SBX-NETWORK-NONE",`) {
		t.Errorf("got %s", data)
	}
	var back Contract
	if err := json.Unmarshal(data, &back); err != nil || len(back) != 2 || back[1].Cause.Code != NetworkNone {
		t.Errorf("got %+v %v", back, err)
	}
}

func TestFeaturesAreUnique(t *testing.T) {
	all := Features()
	slices.Sort(all)
	if len(slices.Compact(slices.Clone(all))) != len(all) || len(all) != 31 {
		t.Errorf("got %q", all)
	}
}
