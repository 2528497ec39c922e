package mail_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/mail"
)

func TestAddressesAreReadAndWrittenInWireForm(t *testing.T) {
	d63 := strings.Repeat("d", 63)
	for _, c := range []struct{ in, wire, local, domain string }{
		{"ann@example.com", "ann@example.com", "ann", "example.com"},
		{"Ann@Example.COM", "Ann@example.com", "Ann", "example.com"},
		{"a@b", "a@b", "a", "b"},
		{"ann+tag=x@example.com", "ann+tag=x@example.com", "ann+tag=x", "example.com"},
		{"!#$%&'*+-/=?^_`{|}~@example.com", "!#$%&'*+-/=?^_`{|}~@example.com", "!#$%&'*+-/=?^_`{|}~", "example.com"},
		{"a.b.c@example.com", "a.b.c@example.com", "a.b.c", "example.com"},
		{"ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example", "ann", "xn--bcher-kva.example"},
		{"ann@a_b.example.com", "ann@a_b.example.com", "ann", "a_b.example.com"},
		{"ann@1.2.example", "ann@1.2.example", "ann", "1.2.example"},
		{"ann@3com.example", "ann@3com.example", "ann", "3com.example"},
		{"ann@" + d63 + ".example", "ann@" + d63 + ".example", "ann", d63 + ".example"},
		{strings.Repeat("l", 64) + "@b", strings.Repeat("l", 64) + "@b", strings.Repeat("l", 64), "b"},
		// Quoting that is not needed goes, quoting that is needed stays.
		{`"ann"@example.com`, "ann@example.com", "ann", "example.com"},
		{`"a\n\n"@example.com`, "ann@example.com", "ann", "example.com"},
		{`"a b"@example.com`, `"a b"@example.com`, "a b", "example.com"},
		{`".a"@example.com`, `".a"@example.com`, ".a", "example.com"},
		{`"a..b"@example.com`, `"a..b"@example.com`, "a..b", "example.com"},
		{`"a@example.net"@example.com`, `"a@example.net"@example.com`, "a@example.net", "example.com"},
		{`"a\"b\\c"@example.com`, `"a\"b\\c"@example.com`, `a"b\c`, "example.com"},
		// The trick that left as a parameter of RCPT once its quotes were gone.
		{`"x> NOTIFY=NEVER <y"@example.com`, `"x> NOTIFY=NEVER <y"@example.com`, "x> NOTIFY=NEVER <y", "example.com"},
		{"ann@[192.0.2.1]", "ann@[192.0.2.1]", "ann", "[192.0.2.1]"},
		{"ann@[IPv6:2001:DB8:0::1]", "ann@[ipv6:2001:db8::1]", "ann", "[ipv6:2001:db8::1]"},
		{"ann@[ipv6:::ffff:192.0.2.1]", "ann@[ipv6:::ffff:192.0.2.1]", "ann", "[ipv6:::ffff:192.0.2.1]"},
	} {
		t.Run(c.in, func(t *testing.T) {
			a, err := mail.ParseAddress(c.in)
			if err != nil {
				t.Fatal(err)
			}
			if a.String() != c.wire || a.Local() != c.local || a.Domain() != c.domain || a.IsZero() {
				t.Errorf("got %s, %q at %q", a, a.Local(), a.Domain())
			}
		})
	}
}

func TestWhatIsNoAddressIsRefused(t *testing.T) {
	for _, c := range []struct {
		in   string
		want error
	}{
		{"", mail.ErrMissingAt},
		{"ann", mail.ErrMissingAt},
		{`"ann@example.com`, mail.ErrMissingAt},
		{`"ann"`, mail.ErrMissingAt},
		{`"ann\`, mail.ErrMissingAt},
		{`"ann" @example.com`, mail.ErrMissingAt},
		{`"ann"x@example.com`, mail.ErrMissingAt},
		{"@example.com", mail.ErrMissingLocal},
		{`""@example.com`, mail.ErrMissingLocal},
		{"@a.example,@b.example:ann@example.com", mail.ErrMissingLocal},
		{"ann@", mail.ErrMissingDomain},
		{`"ann"@`, mail.ErrMissingDomain},
		// Local parts.
		{".ann@example.com", mail.ErrBadLocal},
		{"ann.@example.com", mail.ErrBadLocal},
		{"a..b@example.com", mail.ErrBadLocal},
		{"a,b@example.com", mail.ErrBadLocal},
		{"a(b)@example.com", mail.ErrBadLocal},
		{"<ann@example.com", mail.ErrBadLocal},
		{"a:b@example.com", mail.ErrBadLocal},
		{"a;b@example.com", mail.ErrBadLocal},
		{"a\\@b@example.com", mail.ErrBadLocal},
		{`a"b"@example.com`, mail.ErrBadLocal},
		{"j\xc3\xb6rg@example.com", mail.ErrBadLocal},
		{"\xff@example.com", mail.ErrBadLocal},
		{"\"\xff\"@example.com", mail.ErrBadLocal},
		{"\"\\\xff\"@example.com", mail.ErrBadLocal},
		{"a b@example.com", mail.ErrLocalControl},
		{" ann@example.com", mail.ErrLocalControl},
		{"a\tb@example.com", mail.ErrLocalControl},
		{"ann\r\nRCPT TO:<b@example.com", mail.ErrLocalControl},
		{"a\x00b@example.com", mail.ErrLocalControl},
		{"a\x1bb@example.com", mail.ErrLocalControl},
		{"a\x7fb@example.com", mail.ErrLocalControl},
		{"\"a\rb\"@example.com", mail.ErrLocalControl},
		{"\"a\\\nb\"@example.com", mail.ErrLocalControl},
		{"\"a\x00b\"@example.com", mail.ErrLocalControl},
		{"\"a\tb\"@example.com", mail.ErrLocalControl},
		// Domains.
		{"ann@x..y", mail.ErrBadDomain},
		{"ann@.example.com", mail.ErrBadDomain},
		{"ann@example.com.", mail.ErrBadDomain},
		{"ann@-example.com", mail.ErrBadDomain},
		{"ann@example-.com", mail.ErrBadDomain},
		{"ann@example.com-", mail.ErrBadDomain},
		{"ann@../../etc/passwd", mail.ErrBadDomain},
		{"ann@a/b.example", mail.ErrBadDomain},
		{"ann@b@example.com", mail.ErrBadDomain},
		{"ann@exa mple.com", mail.ErrBadDomain},
		{"ann@example.com ", mail.ErrBadDomain},
		{"ann@example.com>SIZE=1", mail.ErrBadDomain},
		{"ann@example.com\r\nDATA", mail.ErrBadDomain},
		{"ann@example.com\x00", mail.ErrBadDomain},
		{"ann@b\xc3\xbccher.example", mail.ErrBadDomain},
		{"ann@example.com\xe3\x80\x82", mail.ErrBadDomain},
		{"ann@" + strings.Repeat("d", 64) + ".example", mail.ErrBadDomain},
		{"ann@127.0.0.1", mail.ErrBadDomain},
		{"ann@127.1", mail.ErrBadDomain},
		{"ann@2130706433", mail.ErrBadDomain},
		{"ann@[192.0.2]", mail.ErrBadDomain},
		{"ann@[192.0.2.1", mail.ErrBadDomain},
		{"ann@[192.0.2.1]x", mail.ErrBadDomain},
		{"ann@[192.0.2.256]", mail.ErrBadDomain},
		{"ann@[2001:db8::1]", mail.ErrBadDomain},
		{"ann@[IPv6:192.0.2.1]", mail.ErrBadDomain},
		{"ann@[IPv6:fe80::1%eth0]", mail.ErrBadDomain},
		{"ann@[x-tag:text]", mail.ErrBadDomain},
		{"ann@[]", mail.ErrBadDomain},
		// Lengths.
		{strings.Repeat("l", 65) + "@example.com", mail.ErrAddressLength},
		{"ann@" + strings.Repeat("d.", 127) + "example", mail.ErrAddressLength},
		{"ann@" + strings.Repeat("d.", 123) + "example", mail.ErrAddressLength},
		{`"` + strings.Repeat(`\"`, 64) + `"@` + strings.Repeat("d.", 62) + "d", mail.ErrAddressLength},
	} {
		t.Run(c.in[:min(len(c.in), 40)], func(t *testing.T) {
			if a, err := mail.ParseAddress(c.in); !errors.Is(err, c.want) || !a.IsZero() {
				t.Errorf("got %v, %v; want %v", a, err, c.want)
			}
		})
	}
}

func TestAPathHasItsLongestLength(t *testing.T) {
	domain := strings.Repeat("d.", 122) + "com"
	longest := "abcdef@" + domain // 254 octets
	if _, err := mail.ParseAddress(longest); err != nil || len(longest)+2 != mail.MaxPath {
		t.Errorf("%d octets: %v", len(longest), err)
	}
	if _, err := mail.ParseAddress("x" + longest); !errors.Is(err, mail.ErrAddressLength) {
		t.Errorf("got %v", err)
	}
}

func TestALiteralGivesItsNetworkAddress(t *testing.T) {
	for in, want := range map[string]string{
		"a@[192.0.2.1]":           "192.0.2.1",
		"a@[IPv6:2001:db8::1]":    "2001:db8::1",
		"a@[IPv6:::ffff:1.2.3.4]": "::ffff:1.2.3.4",
		"a@example.com":           "",
	} {
		a, err := mail.ParseAddress(in)
		if err != nil {
			t.Fatal(err)
		}
		if ip, ok := a.Literal(); ok != (want != "") || ok && ip.String() != want {
			t.Errorf("%s: %v, %v", in, ip, ok)
		}
	}
	if _, ok := (mail.Address{}).Literal(); ok {
		t.Error("no address has a network address")
	}
}

func TestPathsKnowTheNullReversePath(t *testing.T) {
	null, err := mail.ParseReversePath("")
	if err != nil || !null.Null() || null.Path() != "<>" || null != (mail.ReversePath{}) {
		t.Errorf("%v, %v", null.Path(), err)
	}
	from, err := mail.ParseReversePath(`"a b"@example.com`)
	if err != nil || from.Null() || from.Path() != `<"a b"@example.com>` {
		t.Errorf("%v, %v", from.Path(), err)
	}
	if _, err := mail.ParseForwardPath(""); !errors.Is(err, mail.ErrMissingAt) {
		t.Errorf("a null forward-path: %v", err)
	}
	to, err := mail.ParseForwardPath("bob@example.com")
	if err != nil || to.Path() != "<bob@example.com>" {
		t.Errorf("%v, %v", to.Path(), err)
	}
}

func TestAddressesSurviveJSON(t *testing.T) {
	type kept struct {
		From mail.ReversePath
		To   []mail.ForwardPath
	}
	to, err := mail.ParseForwardPath(`"a b"@example.com`)
	if err != nil {
		t.Fatal(err)
	}
	in := kept{To: []mail.ForwardPath{to}}
	text, err := json.Marshal(in)
	if err != nil || string(text) != `{"From":"","To":["\"a b\"@example.com"]}` {
		t.Fatalf("%s, %v", text, err)
	}
	var out kept
	if err := json.Unmarshal(text, &out); err != nil || !out.From.Null() || out.To[0] != to {
		t.Errorf("%v, %v", out, err)
	}
	if err := json.Unmarshal([]byte(`{"To":["a@b@c"]}`), &out); !errors.Is(err, mail.ErrBadDomain) {
		t.Errorf("got %v", err)
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{
		"ann@example.com", `"a b"@example.com`, `"a\"@b"@c`, "a@[IPv6:::1]", "a@[192.0.2.1]", "@a:b@c", "a@b@c",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		a, err := mail.ParseAddress(in)
		if err != nil {
			if !a.IsZero() {
				t.Errorf("%q gave an address and an error", in)
			}
			return
		}
		wire := a.String()
		if again, err := mail.ParseAddress(wire); err != nil || again != a {
			t.Errorf("%q of %q came back as %q, %v", wire, in, again, err)
		}
		if len(wire)+2 > mail.MaxPath {
			t.Errorf("%q is too long", wire)
		}
		for i := range len(wire) {
			if wire[i] < ' ' || wire[i] > '~' {
				t.Errorf("%q of %q is no line of printable ASCII", wire, in)
			}
		}
		// Outside quotes nothing that ends a path or begins a parameter.
		if !strings.HasPrefix(wire, `"`) && strings.ContainsAny(wire, `<> "\,;()`) {
			t.Errorf("%q of %q breaks out of its path", wire, in)
		}
		if at := strings.LastIndexByte(wire, '@'); wire[at+1:] != a.Domain() {
			t.Errorf("%q of %q has two domains", wire, in)
		}
	})
}
