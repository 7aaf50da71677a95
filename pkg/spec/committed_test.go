package spec

import (
	"reflect"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestCommitted(t *testing.T) {
	base := Image{Entrypoint: []string{"/entry", "-x"}, Cmd: []string{"serve"}, Env: []string{"PATH=/opt", "A=1", "API_TOKEN=of-the-image"}, User: "app", Workdir: "/srv"}
	env := []string{"PATH=/opt", "container=sandbox", "HOME=/home/app", "TERM=xterm", "HOSTNAME=h", "A=1", "API_TOKEN=of-the-image"}
	tests := []struct {
		name    string
		of      Image
		process specs.Process
		user    string
		want    Image
		secrets []string
	}{
		{"as it was", base, specs.Process{Args: []string{"/entry", "-x", "serve"}, Env: env, Cwd: "/srv"}, "", base, nil},
		{"typed", base, specs.Process{Args: []string{"/entry", "-x", "other"}, Env: append(env[:5:5], "A=2", "B=3"), Cwd: "/"}, "5:6",
			Image{Entrypoint: base.Entrypoint, Cmd: []string{"other"}, Env: []string{"PATH=/opt", "A=2", "B=3"}, User: "5:6", Workdir: "/"}, nil},
		{"another entrypoint", base, specs.Process{Args: []string{"/bin/sh", "-c", "x"}, Env: env, Cwd: "/srv"}, "",
			Image{Entrypoint: []string{"/bin/sh"}, Cmd: []string{"-c", "x"}, Env: base.Env, User: "app", Workdir: "/srv"}, nil},
		{"secrets", base, specs.Process{Args: []string{"/entry", "-x", "serve"}, Env: append(env[:6:6], "API_TOKEN=mine", "NPM_TOKEN=y"), Cwd: "/srv"}, "",
			Image{Entrypoint: base.Entrypoint, Cmd: base.Cmd, Env: base.Env[:2], User: "app", Workdir: "/srv"}, []string{"API_TOKEN", "NPM_TOKEN"}},
		{"an image that says nothing", Image{}, specs.Process{Args: []string{"sh"}, Env: []string{defaultPath, "HOME=/root", "TERM=vt100"}, Cwd: "/"}, "",
			Image{Entrypoint: []string{}, Cmd: []string{"sh"}, Env: []string{"TERM=vt100"}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, secrets := tt.of.Committed(&specs.Spec{Process: &tt.process, Hostname: "h"}, tt.user)
			if len(got.Entrypoint) == 0 {
				got.Entrypoint = []string{}
			}
			if !reflect.DeepEqual(got, tt.want) || !reflect.DeepEqual(secrets, tt.secrets) {
				t.Errorf("got %+v %v\nwant %+v %v", got, secrets, tt.want, tt.secrets)
			}
		})
	}
}
