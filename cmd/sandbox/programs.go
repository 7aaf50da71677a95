package main

import (
	"strings"

	"sandbox/pkg/helper"
	"sandbox/pkg/spec"
)

// programs is the flag --helper: which program of the host is run for us, by its
// name. It can be given for several.
type programs map[string]string

func (p *programs) Set(value string) error {
	name, path, err := helper.Parse(value)
	if err != nil {
		return err
	}
	if *p == nil {
		*p = make(programs)
	}
	(*p)[name] = path
	return nil
}

func (p *programs) String() string { return "" }
func (p *programs) Type() string   { return "program" }

// shared are the directories that a wish names, whatever comes of it: ids are
// chosen before there is a spec, and newuidmap and getsubids are looked for then.
func shared(w *spec.Wish) (places []helper.Place) {
	add := func(path, name string) {
		if p, ok := helper.PlaceOf(path, name); ok && path != "" {
			places = append(places, p)
		}
	}
	add(w.Rootfs, "the container's root")
	for _, v := range w.Volumes {
		source, _, _ := strings.Cut(v, ":")
		add(source, source)
	}
	for _, m := range w.Mounts {
		for _, field := range strings.Split(m, ",") {
			if key, source, _ := strings.Cut(field, "="); key == "src" || key == "source" {
				add(source, source)
			}
		}
	}
	return places
}
