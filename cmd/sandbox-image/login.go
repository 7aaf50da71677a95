package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// loginFlags are podman's.
type loginFlags struct {
	user, password, authFile string
	certDir                  string
	stdin, tlsVerify, get    bool
}

func loginCommand() *cobra.Command {
	var f loginFlags
	cmd := &cobra.Command{Use: "login [flags] REGISTRY", Short: "Log in to a registry", Args: cobra.ExactArgs(1)}
	fs := cmd.Flags()
	fs.StringVarP(&f.user, "username", "u", "", "`NAME` of the user (asked for without)")
	fs.StringVarP(&f.password, "password", "p", "", "`PASSWORD`, which everybody can see in the list of processes: better asked for")
	fs.BoolVar(&f.stdin, "password-stdin", false, "read the password from standard input")
	fs.BoolVar(&f.tlsVerify, "tls-verify", true, "insist on HTTPS with a certificate that is known")
	fs.StringVar(&f.authFile, "authfile", "", "`FILE` for it (default $XDG_RUNTIME_DIR/containers/auth.json)")
	fs.StringVar(&f.certDir, "cert-dir", "", "also the certificates in `DIR`")
	fs.BoolVar(&f.get, "get-login", false, "print the user that is logged in")
	cmd.RunE = func(_ *cobra.Command, args []string) error { return f.login(args[0]) }
	return cmd
}

func (f *loginFlags) login(host string) error {
	file, err := authFile(f.authFile)
	if err != nil {
		return err
	}
	if f.get {
		return printLogin(file, host)
	}
	if err := f.ask(); err != nil {
		return err
	}
	if err := f.try(host); err != nil {
		return oneLine(err)
	}
	auth := base64.StdEncoding.EncodeToString([]byte(f.user + ":" + f.password))
	if err := changeAuths(file, func(auths map[string]any) { auths[host] = map[string]any{"auth": auth} }); err != nil {
		return err
	}
	fmt.Println("Login Succeeded!")
	return nil
}

func logoutCommand() *cobra.Command {
	var at string
	var all bool
	cmd := &cobra.Command{Use: "logout [flags] [REGISTRY]", Short: "Log out of a registry", Args: cobra.MaximumNArgs(1)}
	cmd.Flags().StringVar(&at, "authfile", "", "`FILE` with it (default $XDG_RUNTIME_DIR/containers/auth.json)")
	cmd.Flags().BoolVarP(&all, "all", "a", false, "of all registries")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		file, err := authFile(at)
		switch {
		case err != nil:
			return err
		case all == (len(args) == 1):
			return errors.New("logout takes one registry, or --all")
		case all:
			return changeAuths(file, func(auths map[string]any) { clear(auths) })
		}
		return logout(file, args[0])
	}
	return cmd
}

func logout(file, host string) error {
	was := false
	err := changeAuths(file, func(auths map[string]any) {
		_, was = auths[host]
		delete(auths, host)
	})
	if err == nil && !was {
		err = fmt.Errorf("not logged in to %s", host)
	}
	if err == nil {
		fmt.Println("Removed login credentials for " + host)
	}
	return err
}

// authFile is where credentials are kept, podman's place.
func authFile(typed string) (string, error) {
	switch run := os.Getenv("XDG_RUNTIME_DIR"); {
	case typed != "":
		return typed, nil
	case os.Getenv("REGISTRY_AUTH_FILE") != "":
		return os.Getenv("REGISTRY_AUTH_FILE"), nil
	case uid() == 0:
		return "/run/containers/0/auth.json", nil
	case run != "":
		return filepath.Join(run, "containers/auth.json"), nil
	}
	return "", errors.New("there is no runtime directory, in which credentials end with the session: --authfile names a file")
}

// ask reads what was not typed.
func (f *loginFlags) ask() (err error) {
	in := bufio.NewReader(os.Stdin)
	if f.stdin {
		if f.user == "" {
			return errors.New("--password-stdin wants --username")
		}
		f.password, err = line(in)
		return err
	}
	if f.user == "" {
		fmt.Fprint(os.Stderr, "Username: ")
		if f.user, err = line(in); err != nil {
			return fmt.Errorf("read the user's name: %w", err)
		}
	}
	if f.password == "" {
		fmt.Fprint(os.Stderr, "Password: ")
		shown := silence()
		f.password, err = line(in)
		shown()
		fmt.Fprintln(os.Stderr)
	}
	return err
}

// line is one, without its end.
func line(in *bufio.Reader) (string, error) {
	text, err := in.ReadString('\n')
	if errors.Is(err, io.EOF) && text != "" {
		err = nil
	}
	return strings.TrimRight(text, "\r\n"), err
}

// silence keeps a terminal from showing what is typed, and returns what gives that back.
func silence() func() {
	was, err := unix.IoctlGetTermios(0, unix.TCGETS)
	if err != nil {
		return func() {}
	}
	quiet := *was
	quiet.Lflag &^= unix.ECHO
	_ = unix.IoctlSetTermios(0, unix.TCSETS, &quiet)
	return func() { _ = unix.IoctlSetTermios(0, unix.TCSETS, was) }
}

// try asks the registry whether it takes the password.
func (f *loginFlags) try(host string) error {
	how, insecure := []name.Option{name.StrictValidation}, !f.tlsVerify
	if insecure {
		how = append(how, name.Insecure)
	}
	reg, err := name.NewRegistry(host, how...)
	if err != nil {
		return err
	}
	client, err := newTransport(host, insecure, f.certDir)
	if err != nil {
		return err
	}
	speaks, err := transport.NewWithContext(context.Background(), reg, &authn.Basic{Username: f.user, Password: f.password}, client, nil)
	if err != nil {
		return fmt.Errorf("log in to %s: %w", host, err)
	}
	resp, err := (&http.Client{Transport: speaks}).Get(reg.Scheme() + "://" + reg.RegistryStr() + "/v2/")
	if err != nil {
		return fmt.Errorf("log in to %s: %w", host, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("logging into %q: invalid username/password", host)
	}
	return nil
}

func printLogin(file, host string) error {
	var said string
	err := readAuths(file, func(auths map[string]any) {
		one, _ := auths[host].(map[string]any)
		text, _ := one["auth"].(string)
		plain, _ := base64.StdEncoding.DecodeString(text)
		said, _, _ = strings.Cut(string(plain), ":")
	})
	if err == nil && said == "" {
		err = fmt.Errorf("not logged into %s", host)
	}
	if err == nil {
		fmt.Println(said)
	}
	return err
}

func readAuths(file string, look func(map[string]any)) error {
	_, err := auths(file, look)
	return err
}

// auths is the file as a whole, after look has seen or changed who is logged in.
func auths(file string, look func(map[string]any)) (map[string]any, error) {
	all := map[string]any{}
	data, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(data, &all)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	list, _ := all["auths"].(map[string]any)
	if list == nil {
		list = map[string]any{}
		all["auths"] = list
	}
	look(list)
	return all, nil
}

// changeAuths writes it again.
func changeAuths(file string, change func(map[string]any)) error {
	all, err := auths(file, change)
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(all, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return replace(file, append(data, '\n'))
}

// replace writes a file for its owner alone, as a whole.
func replace(file string, data []byte) error {
	out, err := os.CreateTemp(filepath.Dir(file), ".auth-")
	if err != nil {
		return err
	}
	_, err = out.Write(data)
	if err = errors.Join(err, out.Close()); err == nil {
		err = os.Rename(out.Name(), file)
	}
	if err != nil {
		os.Remove(out.Name())
	}
	return err
}
