package worktree

import (
	"errors"
	"strings"
)

// variable is one line of a git configuration file: "section.subsection.key" with section and key in lower case, and a
// value with its quotes and escapes undone. bare is a key without a value, which means true.
type variable struct {
	section, subsection, key string
	value                    string
	bare                     bool
}

// name is how git config(1) writes it.
func (v variable) name() string {
	switch {
	case v.section == "" && v.subsection == "":
		return v.key
	case v.subsection == "":
		return v.section + "." + v.key
	}
	return v.section + "." + v.subsection + "." + v.key
}

var errSyntax = errors.New("not a git configuration")

// parseConfig reads the format of git-config(1), "Syntax", as git's own parser does: what git would refuse is an error
// here, for a file that two parsers read in two ways is a hiding place. What was read before the error is returned with
// it, for git has acted on that.
func parseConfig(data []byte) (list []variable, err error) {
	text, _, nul := strings.Cut(string(data), "\x00") // which ends a value in git, somewhere
	p := &configParser{text: strings.TrimPrefix(text, "\ufeff")}
	for p.err == nil {
		c, ok := p.next()
		switch {
		case !ok && nul:
			return list, errSyntax
		case !ok:
			return list, nil
		case c == '\n' || c == ' ' || c == '\t' || c == '\r':
		case c == '#' || c == ';':
			p.line()
		case c == '[':
			p.header()
		case isAlpha(c):
			p.back()
			if v := p.variable(); p.err == nil {
				list = append(list, v)
			}
		default:
			p.err = errSyntax
		}
	}
	return list, p.err
}

type configParser struct {
	text                string
	at                  int
	section, subsection string
	err                 error
}

// next takes a byte; a carriage return before a newline is none.
func (p *configParser) next() (byte, bool) {
	if p.at < len(p.text)-1 && p.text[p.at] == '\r' && p.text[p.at+1] == '\n' {
		p.at++
	}
	if p.at >= len(p.text) {
		return 0, false
	}
	p.at++
	return p.text[p.at-1], true
}

func (p *configParser) back() { p.at-- }

func (p *configParser) line() {
	for c, ok := p.next(); ok && c != '\n'; c, ok = p.next() {
	}
}

// header is what stands behind "[": section], section "sub"], or the old form section.sub].
func (p *configParser) header() {
	start := p.at
	for {
		c, ok := p.next()
		switch {
		case !ok:
			p.err = errSyntax
			return
		case c == ']':
			name := strings.ToLower(p.text[start : p.at-1])
			if p.section, p.subsection, _ = strings.Cut(name, "."); p.subsection == "" {
				p.section = name // "a." is none of "a"
			}
			if name == "" {
				p.err = errSyntax
			}
			return
		case c == ' ' || c == '\t':
			p.section = strings.ToLower(p.text[start : p.at-1])
			p.quoted()
			return
		case !isAlpha(c) && !isDigit(c) && c != '-' && c != '.':
			p.err = errSyntax
			return
		}
	}
}

// quoted is the subsection between quotes.
func (p *configParser) quoted() {
	c, ok := p.next()
	for ok && (c == ' ' || c == '\t') {
		c, ok = p.next()
	}
	if !ok || c != '"' {
		p.err = errSyntax
		return
	}
	var name strings.Builder
	for {
		c, ok = p.next()
		if ok && c == '\\' {
			c, ok = p.next()
			if ok && c != '\n' {
				name.WriteByte(c)
				continue
			}
		}
		if !ok || c == '\n' {
			p.err = errSyntax
			return
		}
		if c == '"' {
			break
		}
		name.WriteByte(c)
	}
	if c, ok = p.next(); !ok || c != ']' {
		p.err = errSyntax
	}
	p.subsection = name.String()
}

func (p *configParser) variable() variable {
	v := variable{section: p.section, subsection: p.subsection}
	start := p.at
	c, ok := p.next()
	for ok && (isAlpha(c) || isDigit(c) || c == '-') {
		c, ok = p.next()
	}
	end := p.at
	if ok {
		end--
	}
	v.key = strings.ToLower(strings.TrimSuffix(p.text[start:end], "\r")) // of the line's end
	for ok && (c == ' ' || c == '\t') {
		c, ok = p.next()
	}
	switch {
	case !ok || c == '\n':
		v.bare = true
	case c != '=':
		p.err = errSyntax
	default:
		v.value = p.value()
	}
	return v
}

// value undoes quotes, escapes and continued lines; white space at the ends and a comment go.
func (p *configParser) value() string {
	var b strings.Builder
	quote, space := false, 0
	for {
		c, ok := p.next()
		switch {
		case !ok || c == '\n':
			if quote {
				p.err = errSyntax
			}
			return b.String()
		case !quote && (c == '#' || c == ';'):
			p.line()
			return b.String()
		case !quote && (c == ' ' || c == '\t' || c == '\r'):
			if b.Len() > 0 {
				space++
			}
			continue
		}
		for ; space > 0; space-- {
			b.WriteByte(' ')
		}
		switch c {
		case '"':
			quote = !quote
		case '\\':
			p.escape(&b)
			if p.err != nil {
				return ""
			}
		default:
			b.WriteByte(c)
		}
	}
}

func (p *configParser) escape(b *strings.Builder) {
	c, ok := p.next()
	if !ok {
		return // the end of the file is the end of a line
	}
	switch c {
	case '\n':
	case 't':
		b.WriteByte('\t')
	case 'b':
		b.WriteByte('\b')
	case 'n':
		b.WriteByte('\n')
	case '\\', '"':
		b.WriteByte(c)
	default:
		p.err = errSyntax
	}
}

func isAlpha(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }
