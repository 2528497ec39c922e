package handlebars

import "strings"

// path says where in the data a value stands.
type path struct {
	text string // as it was written
	// here: it begins at the current value, and is not looked for around it.
	here bool
	up   int    // how many values further out it begins
	data string // the name behind an @; empty for none
	keys []string
}

// notInNames are the characters that no part of a path may hold without brackets.
const notInNames = " \t\r\n!\"#%&'()*+,;<=>@[\\]^`{|}~"

// maxKeys bounds the parts of a path.
const maxKeys = 100

func parsePath(text string, line int) (*path, error) {
	wrong := func(what string, unsupported bool) error {
		return &SyntaxError{line, "'" + short(text) + "' " + what, unsupported}
	}
	p := &path{text: text}
	rest, isData := strings.CutPrefix(text, "@")
	for {
		var more string
		var ok bool
		if more, ok = strings.CutPrefix(rest, "../"); ok {
			p.up++
		} else if rest == ".." {
			more, ok = "", true
			p.up++
		}
		if !ok {
			break
		}
		p.here = true
		rest = more
	}
	switch {
	case p.up > maxKeys:
		return nil, wrong("is too long", false)
	case isData || p.up > 0 && rest == "":
	case rest == "." || rest == "this":
		p.here, rest = true, ""
	default:
		for _, prefix := range []string{"./", "this.", "this/"} {
			if more, ok := strings.CutPrefix(rest, prefix); ok {
				p.here, rest = true, more
				break
			}
		}
		if rest == "" {
			return nil, wrong("is not a name", false)
		}
	}
	switch rest {
	case "true", "false", "null", "undefined":
		return nil, wrong("is a literal, which is not supported", true)
	}
	for rest != "" {
		var key string
		if inside, ok := strings.CutPrefix(rest, "["); ok {
			if key, rest, ok = strings.Cut(inside, "]"); !ok {
				return nil, wrong("has a bracket that is not closed", false)
			}
			if rest != "" && rest[0] != '.' && rest[0] != '/' {
				return nil, wrong("is not a name", false)
			}
		} else {
			end := strings.IndexAny(rest, "./")
			if end < 0 {
				end = len(rest)
			}
			key, rest = rest[:end], rest[end:]
			switch {
			case key == "":
				return nil, wrong("is not a name", false)
			case strings.ContainsAny(key, notInNames):
				return nil, wrong("is not supported", true)
			}
		}
		if rest != "" { // a point or slash
			if rest = rest[1:]; rest == "" {
				return nil, wrong("is not a name", false)
			}
		}
		if len(p.keys) == maxKeys {
			return nil, wrong("is too long", false)
		}
		p.keys = append(p.keys, key)
	}
	if !isData {
		return p, nil
	}
	if len(p.keys) == 0 {
		return nil, wrong("is not a name", false)
	}
	p.data, p.keys = p.keys[0], p.keys[1:]
	switch p.data {
	case "index", "key", "first", "last", "root":
		return p, nil
	}
	return nil, wrong("is not supported", true)
}

// short gives what of a text is said back.
func short(text string) string {
	if len(text) > 64 {
		return strings.ToValidUTF8(text[:64], "") + "..."
	}
	return text
}
