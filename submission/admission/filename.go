package admission

import (
	"io"
	"mime"
	"slices"
	"strconv"
	"strings"
)

// fileNames gives every file name that some reader may find in a
// Content-Disposition or Content-Type field: of the parameters filename and name,
// plain, with encoded words (against RFC 2047 section 5, yet common), in pieces
// and percent-encoded (RFC 2231), repeated, and with a sloppy grammar. It does
// not decide which of them is right.
func fileNames(field string) []string {
	var names []string
	pieces := map[string]map[int]string{} // by base name and number
	for rest := field; rest != ""; {
		var key, value string
		key, value, rest = parameter(rest)
		base, star, split := strings.Cut(key, "*")
		if base != "filename" && base != "name" {
			continue
		}
		if !split {
			names = append(names, value)
			continue
		}
		number, extended := strings.CutSuffix(star, "*")
		if star == "" {
			number, extended = "0", true
		}
		n, err := strconv.Atoi(number)
		if err != nil || n < 0 {
			names = append(names, value)
			continue
		}
		if extended {
			value = percentDecoded(value)
		}
		if pieces[base] == nil {
			pieces[base] = map[int]string{}
		}
		// Of a piece that stands twice either may count.
		if old, again := pieces[base][n]; again {
			names = append(names, old)
		}
		pieces[base][n] = value
	}
	for _, p := range pieces {
		var numbers []int
		for n := range p {
			numbers = append(numbers, n)
		}
		slices.Sort(numbers)
		whole := ""
		for _, n := range numbers {
			whole += p[n]
		}
		names = append(names, whole)
	}
	for i, n := range names {
		names[i] = wordsDecoded(n)
	}
	return names
}

// parameter takes what comes before the first semicolon outside quotes: a key in
// lower case and its value, both empty when it is no parameter.
func parameter(s string) (key, value, rest string) {
	var b strings.Builder
	quoted := false
	end := len(s)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
			continue
		case c == '\\' && quoted && i+1 < len(s):
			i++
		case c == ';' && !quoted:
			end = i
		}
		if end < len(s) {
			break
		}
		b.WriteByte(s[i])
	}
	if end < len(s) {
		rest = s[end+1:]
	}
	key, value, found := strings.Cut(b.String(), "=")
	if !found {
		return "", "", rest
	}
	return strings.ToLower(strings.Trim(key, " \t")), strings.Trim(value, " \t"), rest
}

// percentDecoded undoes the encoding as far as it is one. Charset and language
// in front do not matter: an extension is ASCII in all charsets that are in use.
func percentDecoded(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// wordsDecoded decodes encoded words, the octets of every charset taken as they
// are.
func wordsDecoded(s string) string {
	d := mime.WordDecoder{CharsetReader: func(_ string, r io.Reader) (io.Reader, error) { return r, nil }}
	if text, err := d.DecodeHeader(s); err == nil {
		return text
	}
	return s
}

// extension gives what stands behind the last dot in lower case, as a system
// sees it that drops what is not shown and dots and blanks at the end.
func extension(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, name)
	name = strings.ToLower(strings.TrimRight(name, ". \t\"'/\\"))
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return ""
	}
	return name[i+1:]
}
