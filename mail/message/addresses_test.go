package message_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/message"
)

func TestAddressesReadsWhatPeopleWrite(t *testing.T) {
	for value, want := range map[string]string{
		`ann@example.com`:                                       "ann@example.com",
		`<ann@example.com>`:                                     "ann@example.com",
		`  Ann <ann@Example.COM>  `:                             "ann@example.com",
		`Ann<ann@example.com>`:                                  "ann@example.com",
		`"Ann, the first" <ann@example.com>`:                    "ann@example.com",
		`"Ann \"A\" <x@example.net>" <ann@example.com>`:         "ann@example.com",
		`Acme Inc. <ann@example.com>`:                           "ann@example.com",
		`"A." B "C" <ann@example.com>`:                          "ann@example.com",
		`=?utf-8?Q?Ann=2C_x?= =?utf-8?B?w6k=?= <a@example.com>`: "a@example.com",
		`=?iso-2022-jp?B?GyRCJCIbKEI=?= <a@example.com>`:        "a@example.com",
		`ann@example.com (Ann)`:                                 "ann@example.com",
		`(the (very) first) Ann (x) <ann@example.com> (y)`:      "ann@example.com",
		`a@example.com, B <b@example.net>,c@example.org (C)`:    "a@example.com b@example.net c@example.org",
		`"ann b"@example.com`:                                   `"ann b"@example.com`,
		`"ann"@example.com`:                                     "ann@example.com",
		`<"a..b"@example.com>`:                                  `"a..b"@example.com`,
		`a+b=c@xn--bcher-kva.example`:                           "a+b=c@xn--bcher-kva.example",
		`ann@[192.0.2.1]`:                                       "ann@[192.0.2.1]",
		`Ann <ann@[IPv6:2001:db8::1]>`:                          "ann@[ipv6:2001:db8::1]",
	} {
		t.Run(value, func(t *testing.T) {
			list, err := message.Addresses(value)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, a := range list {
				got = append(got, a.String())
			}
			if s := strings.Join(got, " "); s != want {
				t.Errorf("got %s, want %s", s, want)
			}
		})
	}
}

func TestAddressesRefusesWhatTwoReadersCouldTakeDifferently(t *testing.T) {
	for _, c := range []struct {
		value string
		want  error
	}{
		{``, mail.ErrMissingAt},
		{`   `, mail.ErrMissingAt},
		{`ann`, mail.ErrMissingAt},
		{`Ann B.`, mail.ErrMissingAt},
		{`<ann>`, mail.ErrMissingAt},
		{`<>`, mail.ErrMissingAt},
		{`=?utf-8?Q?ann=40example.com?=`, mail.ErrMissingAt},
		{`<=?utf-8?Q?ann=40example.com?=>`, mail.ErrMissingAt},
		{`ann@example.com,`, mail.ErrMissingAt},
		{`ann@example.com,,b@example.com`, mail.ErrMissingAt},
		{`,ann@example.com`, mail.ErrMissingAt},
		{`Ann, B <ann@example.com>`, mail.ErrMissingAt},
		{`@example.com`, mail.ErrMissingLocal},
		{`<@example.com>`, mail.ErrMissingLocal},
		{`<@a.example,@b.example:ann@example.com>`, mail.ErrMissingLocal},
		{`""@example.com`, mail.ErrMissingLocal},
		{`ann@`, mail.ErrMissingDomain},
		{`<ann@>`, mail.ErrMissingDomain},
		{`ann@ example.com`, mail.ErrMissingDomain},
		{`ann@(x)example.com`, mail.ErrMissingDomain},
		{`ann@example.net@example.com`, mail.ErrBadDomain},
		{`<ann@example.net@example.com>`, mail.ErrBadDomain},
		{`ann@exa_mple..com`, mail.ErrBadDomain},
		{`ann@b` + "\xfc" + `cher.example`, mail.ErrBadDomain},
		{`ann@example.com"`, mail.ErrBadDomain},
		{`<ann@example.com >`, mail.ErrBadDomain},
		{`<ann@example.com(x)>`, mail.ErrBadDomain},
		{`<ann@example.com,b@example.net>`, mail.ErrBadDomain},
		{`ann@[192.0.2.1`, mail.ErrBadDomain},
		{`.ann@example.com`, mail.ErrBadLocal},
		{`a..b@example.com`, mail.ErrBadLocal},
		{`<a..b@example.com>`, mail.ErrBadLocal},
		{"j\xf6rg@example.com", mail.ErrBadLocal},
		{"<j\xf6rg@example.com>", mail.ErrBadLocal},
		{`<ann(x)@example.com>`, mail.ErrBadLocal},
		{`<<ann@example.com>>`, mail.ErrBadLocal},
		{`"ann@example.net"@example.com`, mail.ErrBadLocal},
		{`<"ann@example.net"@example.com>`, mail.ErrBadLocal},
		{`"x <ann@example.net>,"@example.com`, mail.ErrBadLocal},
		{`"a\"b"@example.com`, mail.ErrBadLocal},
		{`=?utf-8?Q?ann=40example.net=00?=@example.com`, mail.ErrBadLocal},
		{`<=?utf-8?B?YQ==?=@example.com>`, mail.ErrBadLocal},
		{`ann b@example.com`, mail.ErrLocalControl},
		{`ann @example.com`, mail.ErrLocalControl},
		{`ann(x)@example.com`, mail.ErrLocalControl},
		{`< ann@example.com>`, mail.ErrLocalControl},
		{"a\x00nn@example.com", mail.ErrLocalControl},
		{"ann\r\n@example.com", mail.ErrLocalControl},
		{"\x00", mail.ErrLocalControl},
		{`"a` + "\t" + `b"@example.com`, mail.ErrLocalControl},
		{strings.Repeat("a", 65) + `@example.com`, mail.ErrAddressLength},
		{strings.Repeat("a", 1000) + `@example.com`, mail.ErrAddressLength},
		{`friends: ann@example.com;`, message.ErrGroup},
		{`undisclosed-recipients:;`, message.ErrGroup},
		{`ann@example.com;`, message.ErrGroup},
		{`<ann@example.com>; b@example.com`, message.ErrGroup},
		{`ann@example.com b@example.net`, message.ErrAfterAddress},
		{`ann@example.com <b@example.net>`, message.ErrAfterAddress},
		{`<ann@example.com> <b@example.net>`, message.ErrAfterAddress},
		{`Ann <ann@example.com> B`, message.ErrAfterAddress},
		{`<ann@example.com>@example.net`, message.ErrAfterAddress},
		{`Ann <ann@example.com`, message.ErrBracket},
		{`"Ann <ann@example.com>`, message.ErrQuote},
		{`"Ann" x"y" <ann@example.com>`, message.ErrDisplayName},
		{`"Ann"x <ann@example.com>`, message.ErrDisplayName},
		{`Ann > <ann@example.com>`, message.ErrDisplayName},
		{`=?utf-8?Q?b=40example.net=00?= <ann@example.com>`, message.ErrDisplayName},
		{`=?utf-8?B?YkBleGFtcGxlLm5ldA0KWDog?= <ann@example.com>`, message.ErrDisplayName},
		{`x =?iso-2022-jp?q?b=0Ac?= <ann@example.com>`, message.ErrDisplayName},
		{`"=?utf-8?q?b =00?=" <ann@example.com>`, message.ErrDisplayName},
		{`Ann) <ann@example.com>`, message.ErrDisplayName},
		{`A\nn <ann@example.com>`, message.ErrDisplayName},
		{`[Ann] <ann@example.com>`, message.ErrDisplayName},
		{"J\xf6rg <ann@example.com>", message.ErrDisplayName},
		{"\"J\xf6rg\" <ann@example.com>", message.ErrDisplayName},
		{"\"A\r\nn\" <ann@example.com>", message.ErrDisplayName},
		{`ann@example.com (<b@example.net>)`, message.ErrComment},
		{`(ann@example.com) b@example.net`, message.ErrComment},
		{`(, ) ann@example.com`, message.ErrComment},
		{`(\)) ann@example.com`, message.ErrComment},
		{`ann@example.com (x`, message.ErrComment},
		{strings.Repeat("(", 9) + strings.Repeat(")", 9) + `ann@example.com`, message.ErrComment},
		{strings.Repeat("a@example.com,", 1000) + "a@example.com", message.ErrAddressNumber},
	} {
		t.Run(c.value[:min(len(c.value), 60)], func(t *testing.T) {
			if list, err := message.Addresses(c.value); !errors.Is(err, c.want) {
				t.Errorf("got %v, %v; want %v", list, err, c.want)
			}
		})
	}
}

// The texts that clients of SES know (spec section 1.5).
func TestTheErrorsAreTheRecordedSentences(t *testing.T) {
	for value, want := range map[string]string{
		`=?utf-8?Q?x?=`: "Missing final '@domain'",
		`x@`:            "Missing domain",
		"x@\xfc.com":    "Domain contains illegal character",
		"\xfc@x.com":    "Local address contains illegal character",
		"a b@x.com":     "Local address contains control or whitespace",
		"g: a@x.com;":   "Illegal semicolon, not in group",
	} {
		if _, err := message.Addresses(value); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", value, err, want)
		}
	}
}

// net/mail took quadratic time for such values (CVE-2025-61725 and later).
func TestAddressesTakesLinearTime(t *testing.T) {
	const n = 1 << 20
	start := time.Now()
	for _, value := range []string{
		strings.Repeat("(", n), strings.Repeat("()", n), strings.Repeat("a ", n), strings.Repeat(`"" `, n),
		strings.Repeat(`"\`, n), strings.Repeat("a.", n), strings.Repeat("a@b,", n), strings.Repeat("<", n),
		"a@[" + strings.Repeat("[", n), "a@" + strings.Repeat("a.", n), "<" + strings.Repeat("@a,", n),
		strings.Repeat("=?a?b?", n), strings.Repeat(`"\" <`, n), strings.Repeat("(a)b", n),
	} {
		if _, err := message.Addresses(value); err == nil {
			t.Errorf("%.20q was taken", value)
		}
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("took %v", d)
	}
}

func FuzzAddresses(f *testing.F) {
	for _, s := range []string{
		`Ann <ann@example.com>`, `"a@b" <c@d>, e@f (g)`, `"a b"@c`, `a@[IPv6:::1]`, `=?a?b?c?= <d@e>`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		list, err := message.Addresses(in)
		if err != nil {
			return
		}
		if len(list) == 0 {
			t.Fatalf("%q gave no address and no error", in)
		}
		for _, a := range list {
			again, err := message.Addresses("x <" + a.String() + ">")
			if err != nil || len(again) != 1 || again[0] != a {
				t.Errorf("%v of %q came back as %v, %v", a, in, again, err)
			}
			if strings.Count(a.String(), "@") != 1 {
				t.Errorf("%v of %q can be split twice", a, in)
			}
		}
	})
}
