package identity

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/sesame-mta/sesame/account"
)

// Record is a DNS record that an operator should publish.
type Record struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Value string `json:"value"`
}

// Source is an address that mail leaves from, and its EHLO name.
type Source struct {
	Address netip.Addr
	EHLO    string
}

// Records gives what to publish for an identity: its DKIM keys, its MAIL FROM
// domain, and as advice a record for SPF (RFC 7208) and one for DMARC. A domain
// without keys gets the TXT record that verifies it instead. An address has none
// but those of a MAIL FROM domain.
func (b *Book) Records(i Identity) []Record {
	var records []Record
	if i.IsDomain() {
		records = b.keyRecords(i)
		if len(records) == 0 && i.Token != "" && !i.ByWord {
			records = append(records, Record{tokenName(i.Name), "TXT", i.Token})
		}
		if b.o.Host != "" {
			records = append(records, Record{i.Name, "TXT", b.spf()})
		}
	}
	if m := i.MailFrom.Domain; m != "" {
		records = append(records, Record{m, "MX", "10 " + b.o.Feedback}, Record{m, "TXT", b.spf()})
	}
	if i.IsDomain() {
		records = append(records, Record{"_dmarc." + i.Name, "TXT", "v=DMARC1; p=none"})
	}
	return records
}

// tokenName is where the TXT record that verifies a domain stands.
func tokenName(domain string) string { return "_sesame." + domain }

// sesTokenName is where SES has it (spec section 4.3).
func sesTokenName(domain string) string { return "_amazonses." + domain }

// tokenPrefix stands before the token in a record of the domain itself, for DNS
// providers that take no underscore (spec section 4.3).
const tokenPrefix = "sesame:"

func (b *Book) keyRecords(i Identity) []Record {
	var records []Record
	if e := b.get(name{i.Account, "", i.Name}); e != nil && b.o.Service != "" {
		for _, s := range e.Easy {
			records = append(records, Record{selectorName(s, i.Name), "CNAME", b.easyTarget(s)})
		}
	}
	for _, k := range i.Keys {
		if !k.Easy || b.o.Service == "" {
			records = append(records, Record{selectorName(k.Selector, i.Name), "TXT", k.TXT})
		}
	}
	return records
}

// selectorName is where a key is looked for (RFC 6376 section 3.6.2.1).
func selectorName(selector, domain string) string { return selector + "._domainkey." + domain }

// easyTarget is where a key of Easy DKIM stands.
func (b *Book) easyTarget(selector string) string { return selector + ".dkim." + b.o.Service }

// spf gives the record of a domain that mail leaves under: with a service domain
// that one's, so that the operator can change addresses without asking anybody.
func (b *Book) spf() string {
	if b.o.Service != "" {
		return "v=spf1 include:" + b.o.Service + " ~all"
	}
	return "v=spf1 a:" + b.o.Host + b.sourceTerms() + " ~all"
}

// sourceTerms gives the SPF terms for the addresses that mail leaves from.
func (b *Book) sourceTerms() string {
	var s strings.Builder
	for _, src := range b.o.Sources {
		if src.Address.Is4() {
			s.WriteString(" ip4:" + src.Address.String())
		} else {
			s.WriteString(" ip6:" + src.Address.String())
		}
	}
	return s.String()
}

// ErrNoService says that there is no service domain to print records of.
var ErrNoService = fmt.Errorf("%w: there is no service domain; name one in the file, as domain in [service]", ErrSetting)

// ServiceRecords gives what the operator publishes under the service domain: the
// key behind every Easy DKIM name that is in use, will be next or was in use
// until lately, and what the domain itself needs.
func (b *Book) ServiceRecords() ([]Record, error) {
	s := b.o.Service
	if s == "" {
		return nil, ErrNoService
	}
	records := append(b.returnRecords(), Record{"_dmarc." + s, "TXT", "v=DMARC1; p=none"})
	for _, i := range b.List(account.SystemID) {
		if i.Name == s {
			records = append(records, b.keyRecords(i)...)
		}
	}
	var keys []Record
	for _, i := range b.List("") {
		for _, k := range i.Keys {
			if k.Easy {
				keys = append(keys, Record{b.easyTarget(k.Selector), "TXT", k.TXT})
			}
		}
	}
	slices.SortFunc(keys, func(x, y Record) int { return strings.Compare(x.Name, y.Name) })
	return append(records, keys...), nil
}

// returnRecords gives what a service domain needs as the domain of reverse-paths:
// bounces find the way back by its MX, and receivers check its SPF record.
func (b *Book) returnRecords() []Record {
	s := b.o.Service
	return []Record{{s, "MX", "10 " + b.o.Feedback}, {s, "TXT", "v=spf1 a:" + b.o.Host + b.sourceTerms() + " ~all"}}
}

// HostRecords gives what to publish for the server itself: SPF for each EHLO
// name, which receivers check for mail with a null reverse-path (RFC 7208
// section 2.4), the MX and DKIM records of the host name, MX and SPF of the service
// domain, and the PTR record of each address it sends from (RFC 5321 section 4.1.4
// lets receivers compare).
func (b *Book) HostRecords() []Record {
	host := b.o.Host
	records := []Record{{host, "MX", "10 " + host}, {host, "TXT", "v=spf1 a" + b.sourceTerms() + " -all"}}
	if b.o.Service != "" && b.o.Service != host {
		records = append(records, b.returnRecords()...)
	}
	for _, s := range b.o.Sources {
		ehlo := s.EHLO
		if ehlo == "" {
			ehlo = host
		}
		if ehlo != host {
			records = append(records, Record{ehlo, "TXT", "v=spf1 a -all"})
		}
		records = append(records, Record{reverse(s.Address), "PTR", ehlo})
	}
	if len(b.o.Sources) == 0 {
		records = append(records, Record{"ADDRESS-REVERSED.in-addr.arpa", "PTR", host})
	}
	for _, i := range b.List(account.SystemID) {
		records = append(records, b.keyRecords(i)...)
	}
	return records
}

// reverse gives the name of an address in the reverse tree (RFC 1035 section
// 3.5, RFC 3596 section 2.5).
func reverse(a netip.Addr) string {
	var s strings.Builder
	raw := a.Unmap().AsSlice()
	for i := len(raw) - 1; i >= 0; i-- {
		if len(raw) == 4 {
			fmt.Fprintf(&s, "%d.", raw[i])
		} else {
			fmt.Fprintf(&s, "%x.%x.", raw[i]&15, raw[i]>>4)
		}
	}
	if len(raw) == 4 {
		return s.String() + "in-addr.arpa"
	}
	return s.String() + "ip6.arpa"
}
