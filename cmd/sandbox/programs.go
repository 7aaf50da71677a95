package main

import (
	"sandbox/pkg/handle"
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

// sharing answers which directories a wish names, whatever comes of it: ids are chosen before there is a spec, and
// newuidmap and getsubids are looked for then. Where that cannot be known all of the host may be shared, and err says why.
func sharing(w *spec.Wish, c spec.Caller, err *error) func() []helper.Place {
	return func() (places []helper.Place) {
		var held []*handle.Handle
		if held, *err = w.Hold(c); *err != nil {
			if top, err := c.Paths.Open("/"); err == nil {
				held = append(held, top)
			}
		}
		for _, h := range held {
			places = append(places, helper.Place{Dev: h.Dev, Ino: h.Ino, Name: h.Path})
		}
		return places
	}
}
