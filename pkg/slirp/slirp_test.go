package slirp

import (
	"net"
	"reflect"
	"strings"
	"testing"
)

func TestParsePorts(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want []Port
	}{
		{"80", []Port{{"tcp", "", 0, 80}}},
		{":80", []Port{{"tcp", "", 0, 80}}},
		{"80/udp", []Port{{"udp", "", 0, 80}}},
		{"80:80/tcp,udp,tcp", []Port{{"tcp", "", 80, 80}, {"udp", "", 80, 80}}},
		{"8080:80/tcp", []Port{{"tcp", "", 8080, 80}}},
		{"127.0.0.1:8080:80", []Port{{"tcp", "127.0.0.1", 8080, 80}}},
		{"127.0.0.1::80", []Port{{"tcp", "127.0.0.1", 0, 80}}},
		{"[::1]:8080:80", []Port{{"tcp", "::1", 8080, 80}}},
		{"[::1]::80", []Port{{"tcp", "::1", 0, 80}}},
		{"8000-8001:90-91", []Port{{"tcp", "", 8000, 90}, {"tcp", "", 8001, 91}}},
		{"90-91", []Port{{"tcp", "", 0, 90}, {"tcp", "", 0, 91}}},
		{"65535:1", []Port{{"tcp", "", 65535, 1}}},
	} {
		got, err := ParsePorts(tt.in)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q: %v, %v; want %v", tt.in, got, err, tt.want)
		}
	}
	for in, want := range map[string]string{
		"":                   `container port ""`,
		"0":                  `container port "0"`,
		"65536":              `container port "65536"`,
		"+80":                `container port "+80"`,
		"80/sctp":            `protocol "sctp"`,
		"80/":                `protocol ""`,
		"80/tcp/udp":         "protocol",
		"80/tcp,":            `protocol ""`,
		"1-3:1-2":            "3 ports of the host for 2",
		"3-1":                "runs backwards",
		"1:2:3:4":            "in brackets",
		"::1:8080:80":        "in brackets",
		"300.0.0.1:1:1":      "not an IP address",
		"[::1]:80":           "wants a host port",
		"a:80":               `host port "a"`,
		"127.0.0.1:33080":    "the address wants a host port behind it, which may be empty: 127.0.0.1::33080",
		"127.0.0.1":          "an address alone, want the container's port behind it: 127.0.0.1::80",
		"[::1]":              "an address alone, want the container's port behind it: [::1]::80",
		"[::1%lo]:1:1":       "leave %lo out",
		"224.0.0.1:1:1":      "is an address of many",
		"[ff02::1]:1:1":      "is an address of many",
		"255.255.255.255::1": "is an address of many",
		"1-99999999999:1-99": `host port "99999999999"`,
	} {
		if got, err := ParsePorts(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want %q", in, got, err, want)
		}
	}
}

func FuzzParsePorts(f *testing.F) {
	for _, s := range []string{"80", "127.0.0.1::80/udp", "[::1]:1-2:3-4", "1-65535", "a:b:c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		list, err := ParsePorts(s)
		if err != nil {
			return
		}
		for _, p := range list {
			if p.Container < 1 || p.Container > 65535 || p.Host < 0 || p.Host > 65535 || p.HostIP != "" && net.ParseIP(strings.Split(p.HostIP, "%")[0]) == nil {
				t.Errorf("%q: %+v", s, p)
			}
		}
	})
}

func TestReserve(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	used := l.Addr().(*net.TCPAddr).Port
	for _, tt := range []struct {
		list []Port
		want string
	}{
		{[]Port{{"tcp", "127.0.0.1", used, 80}}, "is in use: choose another"},
		{[]Port{{"tcp", "192.0.2.1", 0, 80}}, "no network device of this host has the address 192.0.2.1"},
		{[]Port{{"udp", "127.0.0.1", used, 1}, {"udp", "", used, 2}}, "published twice, for 1 and for 2"},
	} {
		if _, err := Reserve(tt.list); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: %v, want %q", tt.list, err, tt.want)
		}
	}
	list := []Port{{"tcp", "", 0, 80}, {"udp", "127.0.0.1", used, 80}, {"tcp", "127.0.0.1", 0, 80}}
	held, err := Reserve(list)
	if err != nil || list[0].Host == 0 || list[1].Host != used || list[2].Host == 0 {
		t.Errorf("%v, %v", list, err)
	}
	if _, err := Reserve([]Port{list[0]}); err == nil {
		t.Error("a reserved port is free")
	}
	Release(held)
}

// TestReserveMany: a random port is no other one's of the same list, not even of
// those that are asked for behind it.
func TestReserveMany(t *testing.T) {
	for range 10 {
		list := make([]Port, 200)
		for i := range list {
			list[i] = Port{Proto: "tcp", HostIP: "127.0.0.1", Container: 1000 + i}
		}
		held, err := Reserve(list)
		if err != nil {
			t.Fatal(err)
		}
		Release(held)
		seen := make(map[int]bool)
		for _, p := range list {
			if seen[p.Host] {
				t.Fatalf("%d twice", p.Host)
			}
			seen[p.Host] = true
		}
	}
}

func TestOverlap(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"", "127.0.0.1", true}, {"", "::1", true}, {"0.0.0.0", "127.0.0.1", true}, {"::", "::1", true},
		{"0.0.0.0", "::", false}, {"0.0.0.0", "::1", false}, {"127.0.0.1", "127.0.0.2", false},
	} {
		if overlap(tt.a, tt.b) != tt.want || overlap(tt.b, tt.a) != tt.want {
			t.Errorf("%q and %q: want %v", tt.a, tt.b, tt.want)
		}
	}
}

func TestParseHostPorts(t *testing.T) {
	for in, want := range map[string][]Port{
		"8080":               {{"tcp", "", 8080, 0}},
		"8080-8081/udp":      {{"udp", "", 8080, 0}, {"udp", "", 8081, 0}},
		"127.0.0.1:8080":     {{"tcp", "127.0.0.1", 8080, 0}},
		"[::1]:8080/tcp":     {{"tcp", "::1", 8080, 0}},
		"8080/tcp,udp":       {{"tcp", "", 8080, 0}, {"udp", "", 8080, 0}},
		"33081:33082":        nil, // that would be the container's side too
		"127.0.0.1:1:2":      nil,
		"":                   nil,
		"0":                  nil,
		"8080/sctp":          nil,
		"nosuch:80":          nil,
		"127.0.0.1::80":      nil,
		"8081-8080":          nil,
		"[::1%lo]:80":        nil,
		"224.0.0.1:80":       nil,
		"255.255.255.255:80": nil,
	} {
		got, err := ParseHostPorts(in)
		if !reflect.DeepEqual(got, want) || (err == nil) != (want != nil) {
			t.Errorf("%q: %v, %v; want %v", in, got, err, want)
		}
	}
}

func TestParseMode(t *testing.T) {
	c, err := ParseMode("slirp4netns:mtu=1400,cidr=10.9.8.7/24,enable_ipv6=false,allow_host_loopback=true,outbound_addr=eth0,port_handler=slirp4netns")
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(c.slirpArgs(3, 4, 5), " ")
	want := "--configure --mtu=1400 --cidr=10.9.8.0/24 --ready-fd=3 --enable-seccomp --netns-type=path --outbound-addr=eth0 --api-socket=api.sock --userns-path=/proc/self/fd/5 /proc/self/fd/4 tap0"
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if a := c.Address().String(); a != "10.9.8.100" {
		t.Error(a)
	}
	c, err = ParseMode("pasta:--splice-only,mtu=9000")
	if err != nil {
		t.Fatal(err)
	}
	c.IPv6 = true
	got = strings.Join(c.pastaArgs([]Port{{"tcp", "127.0.0.1", 8080, 80}, {"udp", "", 53, 53}}, 77, true), " ")
	for _, want := range []string{"--mtu 9000", "-t 127.0.0.1/8080:80", "-u 53:53", "--no-map-gw", "--splice-only 77"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s has no %q", got, want)
		}
	}
	for in, want := range map[string]string{
		"pasta:--mtu,1500":                               "--mtu 1500 ",
		"pasta:-I,tap7,--ipv4-only,-a,10.0.2.0":          "-I tap7 --ipv4-only -a 10.0.2.0 77",
		"pasta:-t,auto":                                  "-t auto 77",
		"pasta:--ipv4-only,mtu=1400,--no-dhcp":           "--mtu 1400",
		"pasta:--map-gw":                                 "--quiet",
		"pasta:--map-host-loopback=192.0.2.1,--tcp-ns=9": "--map-host-loopback=192.0.2.1 --tcp-ns=9 77",
	} {
		c, err := ParseMode(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		c.IPv6 = true
		got := strings.Join(c.pastaArgs(nil, 77, true), " ")
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s has no %q", in, got, want)
		}
		for _, flag := range [][]string{{" --mtu ", " -m "}, {" -I ", "--ns-ifname"}, {" -t ", "--tcp-ports"}, {"-T ", "--tcp-ns"}} {
			if n := strings.Count(got, flag[0]) + strings.Count(got, flag[1]); n != 1 {
				t.Errorf("%s: %s has %s %d times", in, got, flag, n)
			}
		}
		if gw := strings.Contains(got, "--no-map-gw"); gw == strings.Contains(in, "--map-") {
			t.Errorf("%s: %s", in, got)
		}
	}
	if c, _ := ParseMode("pasta:-I,tap7"); c.device() != "tap7" {
		t.Error(c.device())
	}
	for in, want := range map[string]string{
		"bridge":                           "unknown network",
		"none:mtu=1":                       "want 68 to",
		"none:cidr=1":                      "has no options",
		"slirp4netns:mtu=70000":            "want 68 to 65520 bytes",
		"slirp4netns:cidr=fd00::/64":       "want an IPv4 network",
		"slirp4netns:cidr=10.0.0.0/30":     "of /8 to /25",
		"slirp4netns:cidr=127.0.0.0/8":     "no host can have",
		"slirp4netns:cidr=0.0.0.0/8":       "no host can have",
		"slirp4netns:cidr=224.0.0.0/24":    "no host can have",
		"slirp4netns:enable_ipv6=1":        "want true or false",
		"slirp4netns:outbound_addr=::1":    "other version of IP",
		"slirp4netns:outbound_addr=-x":     "want an address or a network device",
		"slirp4netns:port_handler=x":       "want rootlesskit or slirp4netns",
		"slirp4netns:--api-socket=/tmp/x":  "unknown, want cidr=",
		"pasta:cidr=10.0.0.0/24":           "unknown, want mtu=",
		"slirp4netns:mtu=1400,,mtu=1400":   "unknown",
		"slirp4netns:allow_host_loopback=": "",
	} {
		_, err := ParseMode(in)
		if want == "" {
			if err != nil {
				t.Errorf("%q: %v", in, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
	}
}

func TestFiles(t *testing.T) {
	r := parseResolver([]byte("# x\nnameserver 127.0.0.53 ; y\nnameserver bad\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\nsearch a b\noptions edns0 trust-ad\nnameserver\n"))
	want := resolver{[]string{"127.0.0.53", "192.0.2.1", "fe80::1%eth0"}, []string{"a", "b"}, []string{"edns0", "trust-ad"}}
	if !reflect.DeepEqual(r, want) {
		t.Errorf("%+v", r)
	}
	if got := reachable(r.servers); !reflect.DeepEqual(got, []string{"192.0.2.1"}) {
		t.Error(got)
	}
	c, _ := ParseMode("slirp4netns")
	n := &Names{Hostname: "box", DNS: []string{"192.0.2.9"}, Search: []string{"."}, Options: []string{"ndots:1"}, Hosts: []string{"a:192.0.2.2", "six:[2001:db8::1]", "up:host-gateway"}}
	if err := n.Validate(); err != nil {
		t.Error(err)
	}
	if got, want := string(c.ResolvFile(n)), "nameserver 192.0.2.9\noptions ndots:1\n"; got != want {
		t.Errorf("%q", got)
	}
	hosts := string(c.HostsFile(n))
	for _, line := range []string{"10.0.2.100\tbox\n", "10.0.2.2\tup\n", "2001:db8::1\tsix\n", "10.0.2.2\thost.containers.internal"} {
		if !strings.Contains(hosts, line) {
			t.Errorf("%q is not in %q", line, hosts)
		}
	}
	if !strings.HasPrefix(hosts, "192.0.2.2\ta\n") {
		t.Errorf("what was asked for does not come first: %q", hosts)
	}
	if err := (&Names{NoHosts: true, Hosts: []string{"a:192.0.2.1"}}).Validate(); err == nil || !strings.Contains(err.Error(), "cannot be set together") {
		t.Error(err)
	}
	if n := (&Names{DNS: []string{"none"}}); n.Validate() != nil || !n.noResolv() {
		t.Error("--dns none")
	}
	none, _ := ParseMode("none")
	if err := none.CheckNames(n); err == nil {
		t.Error("host-gateway without a host")
	}
	for _, bad := range []Names{{DNS: []string{"x"}}, {Search: []string{"a b"}}, {Options: []string{""}}, {Hosts: []string{"a"}}, {Hosts: []string{"a b:1.1.1.1"}}, {Hosts: []string{"a:b"}}} {
		if bad.Validate() == nil {
			t.Errorf("%+v is valid", bad)
		}
	}
}
