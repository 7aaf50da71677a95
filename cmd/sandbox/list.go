package main

import (
	"errors"
	"strings"
)

// yesNo is a flag that is not said, yes or no.
type yesNo string

func (y *yesNo) Set(value string) error {
	switch value {
	case "yes", "true", "1":
		*y = "yes"
	case "no", "false", "0":
		*y = "no"
	default:
		return errors.New("want yes or no")
	}
	return nil
}

func (y *yesNo) String() string { return string(*y) }
func (y *yesNo) Type() string   { return "yes or no" }

// list is a flag that may be given more than once. The flag library's own
// encodes each default value through a buffer of 4 KiB, in every start.
type list struct {
	values *[]string
	split  bool // one value may be several, with commas between
}

// each takes every value as it is.
func each(to *[]string) *list { return &list{values: to} }

// words takes values apart at their commas.
func words(to *[]string) *list { return &list{values: to, split: true} }

func (l *list) Set(value string) error {
	if l.split {
		*l.values = append(*l.values, strings.Split(value, ",")...)
	} else {
		*l.values = append(*l.values, value)
	}
	return nil
}

func (l *list) String() string { return "" }

func (l *list) Type() string { return "list" }
