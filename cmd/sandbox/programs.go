package main

import (
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
func shared(w *spec.Wish, c spec.Caller) (places []helper.Place) {
	for _, h := range w.Hold(c) {
		places = append(places, helper.Place{Dev: h.Dev, Ino: h.Ino, Name: h.Path})
	}
	return places
}
