package identity

import "strings"

// zoneTTL is advice: an hour lets a mistake be mended soon.
const zoneTTL = "3600"

// maxString is the longest string of a TXT record (RFC 1035 section 3.3.14).
const maxString = 255

// Zone gives the record as a line of a zone file (RFC 1035 section 5.1), names
// absolute, a long text in several strings.
func (r Record) Zone() string {
	value := r.Value
	switch r.Type {
	case "TXT":
		value = quoted(value)
	case "MX", "CNAME", "PTR":
		value += "."
	}
	return r.Name + ". " + zoneTTL + " IN " + r.Type + " " + value
}

func quoted(text string) string {
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	var b strings.Builder
	for {
		n := min(len(text), maxString)
		b.WriteString(`"` + escape.Replace(text[:n]) + `"`)
		if text = text[n:]; text == "" {
			return b.String()
		}
		b.WriteByte(' ')
	}
}
