package receiving

import (
	"bytes"
	"context"
	"strings"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/sesame-mta/sesame/internal/resolver"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/message"
)

// provider is whose complaints count: an address, or a domain with all below it.
type provider struct {
	address mail.Address
	domain  string
}

func readProviders(texts []string) (out []provider) {
	for _, text := range texts {
		if a, err := mail.ParseAddress(text); err == nil {
			out = append(out, provider{a, a.Domain()})
		} else if d := domain(text); d != "" {
			out = append(out, provider{domain: d})
		}
	}
	return out
}

// wrote reports whether an address is one of the provider's.
func (p provider) wrote(from mail.Address) bool {
	if !p.address.IsZero() {
		return from.Domain() == p.domain && strings.EqualFold(from.Local(), p.address.Local())
	}
	return below(from.Domain(), p.domain)
}

// signs reports whether a signature by a domain vouches for an address of the
// provider's: the domain of the address, one above it, or for a provider that is a
// domain any of its own.
func (p provider) signs(by string, from mail.Address) bool {
	return strings.Contains(by, ".") && below(from.Domain(), by) || p.address.IsZero() && below(by, p.domain)
}

// below reports whether a domain is another or lies below it.
func below(domain, other string) bool {
	return domain == other || strings.HasSuffix(domain, "."+other)
}

const (
	// maxSignatures is how many signatures of a message are looked at.
	maxSignatures = 5
	// keyTime is for the look-ups of all their keys.
	keyTime = 20 * time.Second
)

// provider gives the domain of the provider that a letter is from and signed for,
// nothing if there is none. Who may write From as the provider is the provider's to
// say; so an address of a domain with other users is no more than that address.
func (r *Receiver) provider(ctx context.Context, l *letter) (string, error) {
	from, ok := author(l.content)
	if !ok || r.o.DNS == nil || l.cut {
		return "", nil
	}
	for _, p := range r.providers {
		if p.wrote(from) {
			ok, err := r.signed(ctx, l.content, func(by string) bool { return p.signs(by, from) })
			if ok {
				return p.domain, nil
			}
			return "", err
		}
	}
	return "", nil
}

// author gives the address in the one From field of a message. With two fields or
// addresses the signature could be for one of them and the reading for the other.
func author(content []byte) (mail.Address, bool) {
	limits := message.Limits{EightBit: func(string) bool { return true }}
	section, err := limits.Scan(append(top(content), "\r\n"...))
	if err != nil || section.Count("From") != 1 {
		return mail.Address{}, false
	}
	field, _ := section.Get("From")
	list, err := message.Addresses(field.Value())
	if err != nil || len(list) != 1 {
		return mail.Address{}, false
	}
	return list[0], true
}

// signed reports whether one of the signatures is good and by somebody who will do.
// errKey says that a key could not be looked up.
func (r *Receiver) signed(ctx context.Context, content []byte, by func(domain string) bool) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, keyTime)
	defer cancel()
	found, err := dkim.VerifyWithOptions(bytes.NewReader(content), &dkim.VerifyOptions{
		MaxVerifications: maxSignatures,
		LookupTXT: func(name string) ([]string, error) {
			texts, err := r.o.DNS.TXT(ctx, name)
			if k := resolver.KindOf(err); k == resolver.Failed || k == resolver.Refused {
				return nil, later{err}
			}
			return texts, err
		},
	})
	if len(found) == 0 && err != nil {
		return false, nil // nothing in it that can be read
	}
	var unknown error
	for _, v := range found {
		switch {
		case !by(strings.ToLower(v.Domain)):
		case v.Err == nil:
			return true, nil
		case dkim.IsTempFail(v.Err):
			unknown = errKey.WithCause(v.Err)
		}
	}
	return false, unknown
}

// later is a failure to look a key up, in the form in which go-msgauth knows one
// that passes.
type later struct{ error }

func (later) Timeout() bool   { return false }
func (later) Temporary() bool { return true }
func (l later) Unwrap() error { return l.error }
