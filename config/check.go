package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

var (
	labelPattern = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	namePattern  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	userPattern  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)
)

// check looks at what the values mean.
func (l *loader) check() {
	c := l.c
	if c.Hostname == "" && !l.wrong("hostname") {
		l.fail("hostname", "is missing; it is the full name of this host, such as \"mx1.example.com\"")
	} else {
		l.host("hostname", c.Hostname)
	}
	if len(c.Region) > 32 || !labelPattern.MatchString(c.Region) {
		l.fail("region", "must be a label of small letters, digits and hyphens, at most 32, such as \"local-1\"")
	}
	l.filled("data_dir", c.DataDir)
	l.oneOf("profile", c.Profile, ProfileDefault, ProfileSES)
	if c.User != "" && !userPattern.MatchString(c.User) {
		l.fail("user", "%q cannot be the name of a user", c.User)
	}
	l.listen()
	l.tls()
	l.limits()
	l.resolvers()
	l.delivery()
	l.smarthost()
	l.sourcesMeaning()
	l.simulator()
	l.scan()
	l.events()
	l.service()
	l.feedback()
	if c.Trace.Keep != 0 {
		l.lasting("trace.keep", c.Trace.Keep, time.Minute, 10*365*24*time.Hour)
	}
	l.within("trace.max_bytes", c.Trace.MaxBytes, 1<<20, 1<<44)
	l.oneOf("log.format", c.Log.Format, "text", "json")
}

// wrong reports whether a key has been complained about already.
func (l *loader) wrong(key string) bool {
	return slices.ContainsFunc(l.errs, func(e *Error) bool { return e.Key == key })
}

func (l *loader) filled(key, value string) {
	if value == "" {
		l.fail(key, "must not be empty")
	}
}

func (l *loader) oneOf(key, value string, choices ...string) {
	if !slices.Contains(choices, value) {
		l.fail(key, "%q is not one of %s", value, strings.Join(choices, ", "))
	}
}

func (l *loader) within(key string, value, low, high int64) {
	if value < low || value > high {
		l.fail(key, "%d is not between %d and %d", value, low, high)
	}
}

func (l *loader) lasting(key string, value, low, high time.Duration) {
	if value < low || value > high {
		l.fail(key, "%v is not between %v and %v", value, low, high)
	}
}

// host checks a full host name: two labels or more of letters, digits and
// hyphens (RFC 5321 section 2.3.5), or localhost for trying things out.
func (l *loader) host(key, name string) {
	if name == "" || l.wrong(key) {
		return
	}
	if !hostname(name) {
		l.fail(key, "%q is not a host name", name)
	} else if !strings.Contains(name, ".") && name != "localhost" {
		l.fail(key, "%q is not the full name of a host; write it with its domain", name)
	}
}

func hostname(name string) bool {
	if _, err := netip.ParseAddr(name); err == nil || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			c := label[i] | 0x20
			if (c < 'a' || c > 'z') && (label[i] < '0' || label[i] > '9') && label[i] != '-' {
				return false
			}
		}
	}
	return true
}

// maxSocket is the longest path of a Unix socket that every system takes.
const maxSocket = 103

func (l *loader) listen() {
	c := &l.c.Listen
	type taken struct {
		key  string
		addr netip.AddrPort
	}
	var all []taken
	add := func(key, text string) {
		if l.wrong(key) {
			return
		}
		addr, ok := listenAddr(text)
		if !ok {
			l.fail(key, "%q is not an address to listen on, such as \":587\" or \"192.0.2.1:587\"", text)
			return
		}
		for _, t := range all {
			if overlap(t.addr, addr) {
				l.fail(key, "%q is taken by %s already", text, t.key)
				return
			}
		}
		all = append(all, taken{key, addr})
	}
	for i, a := range c.STARTTLS {
		add(fmt.Sprintf("listen.starttls[%d]", i), a)
	}
	for i, a := range c.Feedback {
		if !slices.Contains(c.STARTTLS, a) {
			l.fail(fmt.Sprintf("listen.feedback[%d]", i), "%q is not among the starttls addresses", a)
		}
	}
	for i, a := range c.ImplicitTLS {
		add(fmt.Sprintf("listen.implicit_tls[%d]", i), a)
	}
	if c.Metrics != "" {
		add("listen.metrics", c.Metrics)
	}
	if c.Public != "" {
		add("listen.public", c.Public)
	}
	if c.API != "" && !l.wrong("listen.api") {
		if address, _, ok := SplitAPI(c.API); ok {
			add("listen.api", address)
		} else {
			l.fail("listen.api", "%q is not where to serve the API, such as \"https://:8443\", or \"http://127.0.0.1:8080\" on a loopback address", c.API)
		}
	}
	if len(c.STARTTLS)+len(c.ImplicitTLS) == 0 && !l.wrong("listen.starttls") && !l.wrong("listen.implicit_tls") {
		l.fail("listen", "starttls and implicit_tls are both empty: nobody could send")
	}
	for i, p := range c.TrustedNetworks {
		if p.IsValid() && p.Bits() == 0 {
			l.fail(fmt.Sprintf("listen.trusted_networks[%d]", i), "%s would let everyone send without a password", p)
		}
	}
	if !namePattern.MatchString(c.TrustedAccount) {
		l.fail("listen.trusted_account", "%q cannot be the name of an account", c.TrustedAccount)
	}
	if l.filled("listen.admin", c.Admin); len(c.Admin) > maxSocket {
		l.fail("listen.admin", "the path is too long for a Unix socket: %d octets, at most %d", len(c.Admin), maxSocket)
	}
}

// listenAddr reads an address to listen on; without a host it is the
// unspecified IPv6 address, which takes IPv4 too.
func listenAddr(text string) (netip.AddrPort, bool) {
	if strings.HasPrefix(text, ":") {
		text = "[::]" + text
	}
	a, err := netip.ParseAddrPort(text)
	return a, err == nil
}

// overlap reports whether the second address cannot be bound beside the first.
// Port 0 is a new one each time.
func overlap(a, b netip.AddrPort) bool {
	if a.Port() != b.Port() || a.Port() == 0 {
		return false
	}
	x, y := a.Addr(), b.Addr()
	any6 := netip.IPv6Unspecified()
	if x == any6 || y == any6 {
		return true
	}
	return x == y || x.Is4() == y.Is4() && (x.IsUnspecified() || y.IsUnspecified())
}

func (l *loader) tls() {
	c := &l.c.TLS
	if c.Certificate == "" && c.Key != "" {
		l.fail("tls.certificate", "is missing: tls.key is set")
	}
	if c.Key == "" && c.Certificate != "" {
		l.fail("tls.key", "is missing: tls.certificate is set")
	}
	l.oneOf("tls.min_version", c.MinVersion, "1.0", "1.1", "1.2", "1.3")
}

func (l *loader) limits() {
	c := &l.c.Limits
	l.within("limits.message_bytes", c.MessageBytes, 1024, 1<<31)
	l.within("limits.recipients", int64(c.Recipients), 1, 1000)
	l.within("limits.mime_parts", int64(c.MIMEParts), 1, 10_000)
	l.within("limits.line_length", int64(c.LineLength), 998, 65536) // RFC 5322 section 2.1.1
	l.within("limits.connections", int64(c.Connections), 1, 1_000_000)
	l.within("limits.connections_per_ip", int64(c.ConnectionsPerIP), 1, 1_000_000)
	l.within("limits.messages_per_connection", int64(c.MessagesPerConnection), 1, 1_000_000)
	l.within("limits.sigv2_rate", int64(c.SigV2Rate), 0, 1_000_000)
	l.lasting("limits.idle_timeout", c.IdleTimeout, time.Second, time.Hour)
}

// maxResolvers is how many name servers make sense.
const maxResolvers = 8

// resolvers checks the name servers, and gives each its port.
func (l *loader) resolvers() {
	list := l.c.DNS.Resolvers
	if len(list) > maxResolvers {
		l.fail("dns.resolvers", "%d name servers are too many, at most %d", len(list), maxResolvers)
	}
	for i, text := range list {
		if key := fmt.Sprintf("dns.resolvers[%d]", i); l.wrong(key) {
			continue
		} else if a, err := netip.ParseAddr(text); err == nil {
			list[i] = netip.AddrPortFrom(a, 53).String()
		} else if a, err := netip.ParseAddrPort(text); err != nil || a.Port() == 0 {
			l.fail(key, "%q is not the address of a name server, such as \"127.0.0.1:53\"", text)
		}
	}
}

func (l *loader) delivery() {
	c := &l.c.Delivery
	l.within("delivery.port", int64(c.Port), 1, 65535)
	l.lasting("delivery.max_age", c.MaxAge, time.Second, 30*24*time.Hour)
	if len(c.Retry) == 0 && !l.wrong("delivery.retry") {
		l.fail("delivery.retry", "must not be empty")
	}
	for i, d := range c.Retry {
		if key := fmt.Sprintf("delivery.retry[%d]", i); !l.wrong(key) {
			l.lasting(key, d, time.Second, 24*time.Hour)
		}
	}
	l.within("delivery.concurrency", int64(c.Concurrency), 1, 100_000)
	l.within("delivery.per_destination", int64(c.PerDestination), 1, 10_000)
	l.within("delivery.messages_per_connection", int64(c.MessagesPerConnection), 1, 1_000_000)
	l.oneOf("delivery.tls_min_version", c.TLSMinVersion, "1.0", "1.1", "1.2", "1.3")
}

func (l *loader) smarthost() {
	c := &l.c.Delivery
	if c.Smarthost == "" {
		for _, k := range []string{"smarthost_tls", "smarthost_user", "smarthost_password", "smarthost_password_file"} {
			if l.given["delivery."+k] {
				l.fail("delivery."+k, "has no meaning without smarthost")
			}
		}
		return
	}
	if _, _, ok := SplitHostPort(c.Smarthost); !ok {
		l.fail("delivery.smarthost", "%q is not a host and its port, such as \"smtp.example.net:587\"", c.Smarthost)
	}
	l.oneOf("delivery.smarthost_tls", c.SmarthostTLS, TLSOpportunistic, TLSStart, TLSImplicit, TLSNone)
	secret := c.SmarthostPassword != "" || c.SmarthostPasswordFile != ""
	switch {
	case c.SmarthostUser == "" && secret:
		l.fail("delivery.smarthost_user", "is missing: a password is set")
	case c.SmarthostUser != "" && !secret:
		l.fail("delivery.smarthost_password", "is missing: smarthost_user is set")
	case c.SmarthostUser != "" && c.SmarthostTLS != TLSStart && c.SmarthostTLS != TLSImplicit:
		l.fail("delivery.smarthost_tls", "must be %q or %q, so that the password is never sent in clear", TLSStart, TLSImplicit)
	}
	if c.SmarthostPassword != "" && c.SmarthostPasswordFile != "" {
		l.fail("delivery.smarthost_password_file", "smarthost_password is set too; one is enough")
	}
	if c.SmarthostPassword != "" && l.public {
		l.fail("delivery.smarthost_password", "everyone may read this file; take that right away (chmod o-r) or use smarthost_password_file")
	}
}

// SplitHostPort reads "host:port" as smarthost takes it: a host name or an
// address (IPv6 in brackets), and a port that is not 0.
func SplitHostPort(text string) (host string, port uint16, ok bool) {
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return "", 0, false
	}
	host = text[:i]
	n, err := strconv.ParseUint(text[i+1:], 10, 16)
	if err != nil || n == 0 {
		return "", 0, false
	}
	if inner, found := strings.CutPrefix(host, "["); found {
		a, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		return a.String(), uint16(n), err == nil && a.Is6() && strings.HasSuffix(inner, "]")
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return host, uint16(n), a.Is4()
	}
	return strings.ToLower(host), uint16(n), hostname(host)
}

func (l *loader) sourcesMeaning() {
	names := make(map[string]int)
	for i, s := range l.c.Sources {
		key := fmt.Sprintf("source[%d].", i)
		if first, again := names[s.Name]; again && s.Name != "" {
			l.fail(key+"name", "%q is the name of source[%d] already", s.Name, first)
		} else if !namePattern.MatchString(s.Name) && !l.wrong(key+"name") {
			l.fail(key+"name", "must be a name of letters, digits, dots, hyphens and underscores")
		}
		names[s.Name] = i
		switch a := s.Address; {
		case !a.IsValid() && !l.wrong(key+"address"):
			l.fail(key+"address", "is missing")
		case a.IsUnspecified() || a.IsMulticast() || a.Is4In6() || a.Zone() != "":
			l.fail(key+"address", "%s cannot be sent from", a)
		}
		l.host(key+"ehlo", s.EHLO)
		if !namePattern.MatchString(s.Pool) && !l.wrong(key+"pool") {
			l.fail(key+"pool", "must be a name of letters, digits, dots, hyphens and underscores")
		}
	}
}
