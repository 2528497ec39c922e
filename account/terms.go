package account

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/sesame-mta/sesame/mail"
)

// Terms is what a credential may be used for, and what its mail gets unless the
// message says otherwise. An empty list does not narrow.
type Terms struct {
	// From are patterns of addresses that mail may come from: an address or a
	// domain, in which "*" stands for any run of characters on its side of the @.
	From []string
	// Networks are those that clients may authenticate from.
	Networks []netip.Prefix
	// RecipientDomains are patterns of domains that mail may go to.
	RecipientDomains []string
	// ConfigurationSet and Tags are the defaults for its messages.
	ConfigurationSet string
	Tags             []Tag
}

// ErrTerms says that the terms of a credential make no sense. It comes with the
// reason.
var ErrTerms = errors.New("terms of a credential")

// maxTerms bounds each list of the terms.
const maxTerms = 50

// Normal gives the terms in the form in which they are kept, or ErrTerms.
func (t Terms) Normal() (Terms, error) {
	if max(len(t.From), len(t.Networks), len(t.RecipientDomains), len(t.Tags)) > maxTerms {
		return Terms{}, fmt.Errorf("%w: more than %d of a kind", ErrTerms, maxTerms)
	}
	out := Terms{ConfigurationSet: t.ConfigurationSet, Tags: append([]Tag(nil), t.Tags...)}
	for _, p := range t.From {
		local, domain, err := splitPattern(p)
		if err != nil {
			return Terms{}, err
		}
		out.From = append(out.From, local+"@"+domain)
	}
	for _, p := range t.Networks {
		if !p.IsValid() {
			return Terms{}, fmt.Errorf("%w: not a network", ErrTerms)
		}
		out.Networks = append(out.Networks, p.Masked())
	}
	for _, p := range t.RecipientDomains {
		d, err := domainPattern(p)
		if err != nil {
			return Terms{}, err
		}
		out.RecipientDomains = append(out.RecipientDomains, d)
	}
	if err := CheckDefaults(t.ConfigurationSet, t.Tags); err != nil {
		return Terms{}, fmt.Errorf("%w: %w", ErrTerms, err)
	}
	return out, nil
}

// What can be wrong with a default.
var (
	errSet  = errors.New("a configuration set is named by 1 to 64 of A-Z, a-z, 0-9, hyphen and underscore")
	errTag  = errors.New("a tag is NAME=VALUE, each 1 to 255 of A-Z, a-z, 0-9, hyphen and underscore, the value also of dot and @")
	errTags = fmt.Errorf("more than %d tags", maxTerms)
)

// CheckDefaults says what is wrong with the configuration set and the tags that
// mail gets which names none; an empty name is no set.
func CheckDefaults(set string, tags []Tag) error {
	if len(set) > 64 || strings.Trim(set, nameOctets) != "" {
		return errSet
	}
	if len(tags) > maxTerms {
		return errTags
	}
	for _, tag := range tags {
		name := tag.Name
		if name == "ses:feedback-id-a" || name == "ses:feedback-id-b" {
			// All other names with a colon are reserved (spec section 3.1).
			name = "feedback"
		}
		if !tagText(name, nameOctets) || !tagText(tag.Value, nameOctets+".@") {
			return errTag
		}
	}
	return nil
}

// nameOctets is what names of sets and tags are made of (spec section 3.1).
const nameOctets = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func tagText(s, octets string) bool {
	return s != "" && len(s) <= 255 && strings.Trim(s, octets) == ""
}

// splitPattern reads a pattern of addresses; a domain alone is all of it.
func splitPattern(p string) (local, domain string, err error) {
	p = strings.ToLower(p)
	at := strings.LastIndexByte(p, '@')
	local = "*"
	if at >= 0 {
		local = p[:at]
	}
	if domain, err = domainPattern(p[at+1:]); err != nil {
		return "", "", err
	}
	if local == "" || len(local) > mail.MaxLocal || strings.Trim(local, "*") != "" && !isLocal(local) {
		return "", "", fmt.Errorf("%w: %q is no pattern of addresses, such as *@example.com", ErrTerms, p)
	}
	return local, domain, nil
}

// isLocal reports whether a pattern can stand for a local part without quotes.
func isLocal(pattern string) bool {
	for _, c := range []byte(pattern) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),:;<>@[\]`, c) >= 0 {
			return false
		}
	}
	return true
}

func domainPattern(p string) (string, error) {
	p = strings.ToLower(p)
	if p == "*" {
		return p, nil
	}
	if _, err := mail.ParseDomain(strings.ReplaceAll(p, "*", "x")); err != nil {
		return "", fmt.Errorf("%w: %q is no domain or pattern of domains, such as *.example.com", ErrTerms, p)
	}
	return p, nil
}

// MayFrom reports whether mail may come from an address. The two sides of the @
// are compared apart, so that no quoted local part can look like another's.
func (t Terms) MayFrom(a mail.Address) bool {
	for _, p := range t.From {
		local, domain, _ := strings.Cut(p, "@")
		if glob(local, strings.ToLower(a.Local())) && glob(domain, a.Domain()) {
			return true
		}
	}
	return len(t.From) == 0
}

// MayTo reports whether mail may go to a domain, in lower case.
func (t Terms) MayTo(domain string) bool {
	for _, p := range t.RecipientDomains {
		if glob(p, domain) {
			return true
		}
	}
	return len(t.RecipientDomains) == 0
}

// MayConnect reports whether a client may use the credential.
func (t Terms) MayConnect(client netip.Addr) bool {
	client = client.Unmap().WithZone("")
	for _, p := range t.Networks {
		if p.Contains(client) {
			return true
		}
	}
	return len(t.Networks) == 0
}

// glob matches s against a pattern in which "*" is any run of octets. It takes
// the earliest place for each part, and so never looks twice.
func glob(pattern, s string) bool {
	first, rest, found := strings.Cut(pattern, "*")
	s, ok := strings.CutPrefix(s, first)
	if !ok || !found {
		return ok && s == ""
	}
	for {
		part, next, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(s, part)
		}
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s, rest = s[i+len(part):], next
	}
}
