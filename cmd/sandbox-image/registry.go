package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"sandbox/pkg/image"
)

// remoteImage is what a registry has under one whole name. Mirrors are asked first.
func remoteImage(regs *image.Registries, full string, o options) (v1.Image, error) {
	reg := regs.Of(full)
	if reg != nil && reg.Blocked {
		return nil, fmt.Errorf("%s: the registry %s is blocked by registries.conf", full, reg.Prefix)
	}
	var all error
	for _, at := range places(reg, full) {
		img, err := o.pullFrom(at)
		if err == nil {
			return img, nil
		}
		all = errors.Join(all, fmt.Errorf("%s: %w", at.name, err))
		if errors.Is(err, context.Canceled) {
			break
		}
	}
	return nil, all
}

// where is a name as one host has it.
type where struct {
	name     string
	insecure bool
}

func places(reg *image.Registry, full string) (list []where) {
	if reg == nil {
		return []where{{full, false}}
	}
	at := func(location string) string {
		if location == "" {
			return full
		}
		return location + strings.TrimPrefix(full, reg.Prefix)
	}
	byDigest := strings.Contains(full, "@")
	for _, m := range reg.Mirrors {
		if m.From == "" || m.From == "all" || m.From == "digest-only" && byDigest || m.From == "tag-only" && !byDigest {
			list = append(list, where{at(m.Location), m.Insecure})
		}
	}
	return append(list, where{at(reg.Location), reg.Insecure})
}

// options are flags about registries.
type options struct {
	platform  *v1.Platform
	tlsVerify *bool
	authFile  string
	creds     string
	certDir   string
}

func (o options) pullFrom(at where) (v1.Image, error) {
	ref, how, err := o.reach(at)
	if err != nil {
		return nil, err
	}
	return remote.Image(ref, append(how, remote.WithPlatform(*o.platform), remote.WithRetryBackoff(remote.Backoff{Duration: time.Second, Factor: 2, Steps: 3}))...)
}

// reach is how a registry is spoken to.
func (o options) reach(at where) (name.Reference, []remote.Option, error) {
	insecure := at.insecure
	if o.tlsVerify != nil {
		insecure = !*o.tlsVerify
	}
	how := []name.Option{name.StrictValidation}
	if insecure {
		how = append(how, name.Insecure)
	}
	ref, err := name.ParseReference(at.name, how...)
	if err != nil {
		return nil, nil, err
	}
	client, err := newTransport(ref.Context().RegistryStr(), insecure, o.certDir)
	if err != nil {
		return nil, nil, err
	}
	who, err := o.auth(ref.Context())
	if err != nil {
		return nil, nil, err
	}
	return ref, []remote.Option{remote.WithAuth(who), remote.WithTransport(client), remote.WithJobs(atOnce), remote.WithUserAgent("sandbox")}, nil
}

// auth is who the caller is to a registry: as typed, or as a file says.
func (o options) auth(repo name.Repository) (authn.Authenticator, error) {
	if o.creds != "" {
		user, password, ok := strings.Cut(o.creds, ":")
		if !ok {
			return nil, errors.New("--creds: want USER:PASSWORD")
		}
		return &authn.Basic{Username: user, Password: password}, nil
	}
	if o.authFile != "" {
		if _, err := os.Stat(o.authFile); err != nil {
			return nil, fmt.Errorf("--authfile: %w", err)
		}
		if err := os.Setenv("REGISTRY_AUTH_FILE", o.authFile); err != nil {
			return nil, err
		}
	}
	who, err := authn.DefaultKeychain.Resolve(repo)
	if err != nil {
		return nil, fmt.Errorf("find who you are to %s: %w", repo.RegistryStr(), err)
	}
	return who, nil
}

// newTransport speaks to one registry. Where that sends us is looked at: it must not be this host, nor the services of a cloud,
// unless the registry itself is there.
func newTransport(host string, insecure bool, certDir string) (http.RoundTripper, error) {
	conf, err := certificates(host, certDir)
	if err != nil {
		return nil, err
	}
	conf.InsecureSkipVerify = insecure //nolint:gosec // that is what it means
	dialer := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	if !isLocal(host) {
		dialer.Control = func(_, address string, _ syscall.RawConn) error {
			if at, err := netip.ParseAddrPort(address); err != nil || at.Addr().IsLoopback() || at.Addr().IsLinkLocalUnicast() || at.Addr().IsUnspecified() {
				return fmt.Errorf("%s sends us to %s, which is of this host", host, address)
			}
			return nil
		}
	}
	return &bounded{host: host, plain: insecure, next: &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, TLSClientConfig: conf, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: 20 * time.Second, ResponseHeaderTimeout: 60 * time.Second, MaxIdleConnsPerHost: atOnce,
	}}, nil
}

func isLocal(host string) bool {
	h, _, err := net.SplitHostPort(host)
	if err != nil {
		h = host
	}
	if at, err := netip.ParseAddr(strings.Trim(h, "[]")); err == nil {
		return at.IsLoopback() || at.IsLinkLocalUnicast()
	}
	return h == "localhost" || strings.HasSuffix(h, ".localhost")
}

// bounded keeps small what is read whole, and credentials where they belong.
type bounded struct {
	host  string
	plain bool // what is not encrypted will do
	next  http.RoundTripper
}

// maxManifest is what registries take at most, in bytes.
const maxManifest = 4 << 20

func (b *bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if !b.plain && r.URL.Scheme != "https" {
		return nil, fmt.Errorf("%s is not asked without encryption unless --tls-verify=false or registries.conf says so", r.URL.Host)
	}
	if basic := strings.HasPrefix(r.Header.Get("Authorization"), "Basic "); basic && r.URL.Scheme != "https" && !isLocal(r.URL.Host) && r.URL.Host != b.host {
		return nil, fmt.Errorf("%s wants the password sent to %s without encryption", b.host, r.URL.Host)
	}
	resp, err := b.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if strings.Contains(r.URL.Path, "/blobs/") {
		return resp, nil
	}
	if resp.ContentLength > maxManifest {
		resp.Body.Close()
		return nil, fmt.Errorf("%s answers with %d bytes, of which at most %d are read", r.URL.Host, resp.ContentLength, maxManifest)
	}
	resp.Body = &limitedBody{resp.Body, maxManifest}
	return resp, nil
}

type limitedBody struct {
	io.ReadCloser
	left int64
}

func (l *limitedBody) Read(b []byte) (int, error) {
	if l.left <= 0 {
		return 0, fmt.Errorf("the answer is larger than %d bytes", maxManifest)
	}
	n, err := l.ReadCloser.Read(b[:min(int64(len(b)), l.left)])
	l.left -= int64(n)
	return n, err
}

// certificates are those of containers-certs.d(5) for a registry, and those in a directory that was typed.
func certificates(host, typed string) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	dirs := []string{filepath.Join("/etc/docker/certs.d", host), filepath.Join("/etc/containers/certs.d", host), filepath.Join(home(), ".config/containers/certs.d", host)}
	if typed != "" {
		if _, err := os.Stat(typed); err != nil {
			return nil, fmt.Errorf("--cert-dir: %w", err)
		}
		dirs = append(dirs, typed)
	}
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			if err := addCertificate(conf, file); err != nil {
				return nil, err
			}
		}
	}
	return conf, nil
}

func addCertificate(conf *tls.Config, file string) error {
	switch filepath.Ext(file) {
	case ".crt":
		pem, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if conf.RootCAs == nil {
			if conf.RootCAs, err = x509.SystemCertPool(); err != nil {
				conf.RootCAs = x509.NewCertPool()
			}
		}
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("%s holds no certificate", file)
		}
	case ".cert":
		pair, err := tls.LoadX509KeyPair(file, strings.TrimSuffix(file, ".cert")+".key")
		if err != nil {
			return err
		}
		conf.Certificates = append(conf.Certificates, pair)
	}
	return nil
}

// permanent says whether trying again would be of no use.
func permanent(err error) bool {
	var said *transport.Error
	if errors.As(err, &said) {
		return !said.Temporary()
	}
	var no net.Error
	return !errors.As(err, &no) && !errors.Is(err, io.ErrUnexpectedEOF)
}
