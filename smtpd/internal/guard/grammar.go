package guard

import (
	"errors"
	"strconv"
	"strings"

	"github.com/sesame-mta/sesame/mail"
)

var errSyntax = errors.New("not a path")

// parseMail reads the argument of MAIL: "FROM:", the path, the parameters.
func parseMail(arg []byte, strict bool) (from mail.ReversePath, size int64, refusal *mail.Reply) {
	path, bracketed, params, err := cutPath(string(arg), "FROM:")
	if err != nil {
		return from, 0, replyMailSyntax
	}
	if path == "" && (strict || !bracketed) {
		return from, 0, replyReverse
	}
	from, err = mail.ParseReversePath(path)
	if err != nil {
		if r := nonASCII(path, err); r != nil {
			return from, 0, r
		}
		if errors.Is(err, mail.ErrMissingAt) {
			return from, 0, replyReverse
		}
		return from, 0, badSender(path)
	}
	size, refusal = mailParameters(params)
	return from, size, refusal
}

// parseRcpt reads the argument of RCPT: "TO:", the path, the parameters.
func parseRcpt(arg []byte) (to mail.ForwardPath, refusal *mail.Reply) {
	path, _, params, err := cutPath(string(arg), "TO:")
	if err != nil {
		return to, replyRcptSyntax
	}
	to, err = mail.ParseForwardPath(path)
	switch {
	case err == nil && params != "":
		return to, replyNoSuch // no extension that we offer adds one
	case err == nil:
		return to, nil
	}
	if r := nonASCII(path, err); r != nil {
		return to, r
	}
	return to, badRecipient(path)
}

// nonASCII gives the refusal of an address outside 7-bit ASCII, for which SES
// has sentences of its own, or nil when the path is ASCII.
func nonASCII(path string, err error) *mail.Reply {
	for i := 0; i < len(path); i++ {
		if path[i] > 0x7f {
			if errors.Is(err, mail.ErrBadDomain) {
				return replyBadDomain
			}
			return replyBadLocal
		}
	}
	return nil
}

// cutPath takes the keyword and the path off an argument and gives the
// parameters. The brackets may be missing and a blank may stand before the path,
// as in the samples of the SES documents. A source route is read and dropped
// (RFC 5321 section 4.1.1.3 and appendix C).
func cutPath(arg, keyword string) (path string, bracketed bool, params string, err error) {
	if len(arg) < len(keyword) || !strings.EqualFold(arg[:len(keyword)], keyword) {
		return "", false, "", errSyntax
	}
	arg = strings.TrimLeft(arg[len(keyword):], " ")
	bracketed = strings.HasPrefix(arg, "<")
	end := byte(' ')
	if bracketed {
		arg, end = arg[1:], '>'
	}
	i := unquoted(arg, end)
	switch {
	case i < 0 && bracketed:
		return "", false, "", errSyntax
	case i < 0:
		i = len(arg)
	}
	path, params = arg[:i], arg[i:]
	if bracketed {
		params = params[1:]
		if params != "" && params[0] != ' ' {
			return "", false, "", errSyntax // a parameter glued to the path
		}
	}
	if path, err = dropRoute(path); err != nil {
		return "", false, "", err
	}
	return path, bracketed, strings.Trim(params, " "), nil
}

// unquoted finds c outside a quoted local part.
func unquoted(s string, c byte) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == c && !quoted:
			return i
		}
	}
	return -1
}

// dropRoute takes "@a.example,@b.example:" off the front of a path.
func dropRoute(path string) (string, error) {
	if !strings.HasPrefix(path, "@") {
		return path, nil
	}
	route, rest, found := strings.Cut(path, ":")
	if !found {
		return path, nil // an address without local part, refused as such
	}
	for hop := range strings.SplitSeq(route, ",") {
		name, at := strings.CutPrefix(hop, "@")
		if _, err := mail.ParseDomain(name); !at || err != nil {
			return "", errSyntax
		}
	}
	return rest, nil
}

// mailParameters reads the parameters of MAIL: SIZE (RFC 1870), BODY (RFC 6152)
// and AUTH (RFC 4954 section 5), of which only the first matters to us.
func mailParameters(s string) (size int64, refusal *mail.Reply) {
	var seen [3]bool
	for s != "" {
		var word string
		word, s, _ = strings.Cut(s, " ")
		s = strings.TrimLeft(s, " ")
		key, value, _ := strings.Cut(word, "=")
		var n int
		var ok bool
		switch {
		case strings.EqualFold(key, "SIZE"):
			n = 0
			size, ok = parseSize(value)
		case strings.EqualFold(key, "BODY"):
			if strings.EqualFold(value, "BINARYMIME") {
				return 0, replyNoSuch // RFC 3030 section 3: not offered
			}
			n, ok = 1, strings.EqualFold(value, "7BIT") || strings.EqualFold(value, "8BITMIME")
		case strings.EqualFold(key, "AUTH"):
			n, ok = 2, xtext(value)
		default:
			return 0, replyNoSuch
		}
		if !ok || seen[n] {
			return 0, replyParameter
		}
		seen[n] = true
	}
	return size, nil
}

// parseSize reads up to 20 digits (RFC 1870 section 4). A number beyond the
// range of the type is as good as the largest.
func parseSize(s string) (int64, bool) {
	if len(s) == 0 || len(s) > 20 {
		return 0, false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	n, _ := strconv.ParseInt(s, 10, 64)
	return n, true
}

// xtext reports whether s is xtext (RFC 3461 section 4) of printable ASCII.
func xtext(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '+' {
			n, err := strconv.ParseUint(s[min(i+1, len(s)):min(i+3, len(s))], 16, 8)
			if err != nil || i+2 >= len(s) || n < ' ' || n > '~' {
				return false
			}
			i += 2
		} else if c <= ' ' || c > '~' || c == '=' {
			return false
		}
	}
	return s != ""
}
