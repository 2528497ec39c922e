package identity

import (
	"fmt"
	"net/netip"
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

// Records gives what to publish for an identity: its DKIM keys, and as advice a
// record for SPF (RFC 7208) and one for DMARC. An address has none.
func (b *Book) Records(i Identity) []Record {
	if !i.IsDomain() {
		return nil
	}
	records := keyRecords(i)
	if b.o.Host != "" {
		records = append(records, Record{i.Name, "TXT", "v=spf1 a:" + b.o.Host + b.sourceTerms() + " ~all"})
	}
	return append(records, Record{"_dmarc." + i.Name, "TXT", "v=DMARC1; p=none"})
}

func keyRecords(i Identity) []Record {
	var records []Record
	for _, k := range i.Keys {
		records = append(records, Record{k.Selector + "._domainkey." + i.Name, "TXT", k.TXT})
	}
	return records
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

// HostRecords gives what to publish for the server itself: SPF for each EHLO
// name, which receivers check for mail with a null reverse-path (RFC 7208
// section 2.4), the MX and DKIM records of the host name, and the PTR record of
// each address it sends from (RFC 5321 section 4.1.4 lets receivers compare).
func (b *Book) HostRecords() []Record {
	host := b.o.Host
	records := []Record{{host, "MX", "10 " + host}, {host, "TXT", "v=spf1 a" + b.sourceTerms() + " -all"}}
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
		records = append(records, keyRecords(i)...)
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
