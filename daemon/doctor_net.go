package daemon

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/config"
)

// dialogTime bounds one dialogue with a mail host.
const dialogTime = 15 * time.Second

// scanner shows the configured scanner a harmless text.
func (d *doctor) scanner(ctx context.Context) []Finding {
	const name = "scanner"
	s := newScanner(d.cfg)
	if s == nil {
		return nil
	}
	const text = "From: doctor\r\n\r\nNothing bad.\r\n"
	if _, err := s.Scan(ctx, strings.NewReader(text), int64(len(text))); err != nil {
		return []Finding{fail(name, "start it, or look at [scan] clamd and at who may use its socket", "mail waits, the scanner does not answer: %v", err)}
	}
	return []Finding{ok(name, "clamd at %s answers", d.cfg.Scan.Clamd)}
}

// outbound tries port 25 of a mail host from each source.
func (d *doctor) outbound(ctx context.Context) []Finding {
	const name = "outbound"
	target := d.o.Outbound
	if target == "" {
		target = d.cfg.Delivery.Smarthost
	}
	if target == "" {
		return []Finding{warn(name, "name a mail host that is not yours with --outbound", "port %d of other hosts was not tried", d.cfg.Delivery.Port)}
	}
	host, port, valid := config.SplitHostPort(target)
	if !valid {
		host, port, valid = config.SplitHostPort(net.JoinHostPort(target, strconv.Itoa(d.cfg.Delivery.Port)))
	}
	if !valid {
		return []Finding{fail(name, "give it as host or host:port", "%q is not a host", target)}
	}
	if len(d.cfg.Sources) == 0 {
		return []Finding{d.reach(ctx, netip.Addr{}, host, port)}
	}
	var out []Finding
	for _, s := range d.cfg.Sources {
		out = append(out, d.reach(ctx, s.Address, host, port))
	}
	return out
}

// reach opens a connection and reads the greeting.
func (d *doctor) reach(ctx context.Context, from netip.Addr, host string, port uint16) Finding {
	const name = "outbound"
	ctx, cancel := context.WithTimeout(ctx, dialogTime)
	defer cancel()
	remote, err := d.addrOf(ctx, host, from)
	if err != nil {
		return warn(name, "name another host", "%s has no address to try: %v", host, err)
	}
	who, dialer := "this host", net.Dialer{}
	if from.IsValid() {
		who = from.String()
		dialer.LocalAddr = &net.TCPAddr{IP: from.AsSlice()}
	}
	to := netip.AddrPortFrom(remote, port).String()
	conn, err := dialer.DialContext(ctx, "tcp", to)
	if err != nil {
		return fail(name, "have the port opened by whoever runs the network (many providers block it), or use a smarthost",
			"%s cannot reach %s: %v", who, to, err)
	}
	c := textproto.NewConn(conn)
	defer func() { _ = c.Close() }()
	if d.cfg.Delivery.SmarthostTLS == config.TLSImplicit && d.o.Outbound == "" {
		return ok(name, "%s reaches %s", who, to) // it greets after TLS
	}
	deadline(ctx, conn)
	code, text, err := c.ReadResponse(0)
	if code == 0 {
		return warn(name, "try another host", "%s reaches %s, which does not greet: %v", who, to, err)
	}
	if code != 220 {
		return warn(name, "try another host; if it is the same, ask why the address is refused", "%s greets %s with: %d %s", to, who, code, text)
	}
	return ok(name, "%s reaches %s", who, to)
}

func deadline(ctx context.Context, conn net.Conn) {
	if t, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(t) // one that cannot be set is caught by the next read
	}
}

// relay plays a stranger who sends through us, at every port: in clear, and with
// TLS but without a password.
func (d *doctor) relay(ctx context.Context) []Finding {
	const name = "relay"
	if !d.running {
		return []Finding{warn(name, "start the server and run doctor again", "whether it relays for strangers was not tried: it does not run")}
	}
	var out []Finding
	for _, set := range []struct {
		addrs []string
		tls   []bool // in clear, with STARTTLS; or from the first octet
	}{{d.cfg.Listen.STARTTLS, []bool{false, true}}, {d.cfg.Listen.ImplicitTLS, []bool{true}}} {
		implicit := len(set.tls) == 1
		for _, addr := range set.addrs {
			var trusted []netip.Prefix
			if !implicit {
				trusted = d.cfg.Listen.TrustedNetworks
			}
			from, to, found := stranger(addr, trusted)
			if !found {
				out = append(out, warn(name, "try it from a host outside trusted_networks", "%s cannot be tried from here: every address of this host is trusted", addr))
				continue
			}
			for _, secure := range set.tls {
				out = append(out, d.knock(ctx, from, to, implicit, secure))
			}
		}
	}
	return out
}

// stranger gives an address of this host that is not trusted, and one at which the
// listener is reached from there.
func stranger(listen string, trusted []netip.Prefix) (from netip.Addr, to netip.AddrPort, ok bool) {
	if strings.HasPrefix(listen, ":") {
		listen = "[::]" + listen
	}
	l, err := netip.ParseAddrPort(listen)
	if err != nil {
		return from, to, false
	}
	home := netip.MustParseAddr("127.0.0.1")
	other := netip.MustParseAddr("127.99.99.99")
	type way struct{ from, to netip.Addr }
	var ways []way
	switch a := l.Addr(); {
	case a.IsUnspecified():
		ways = []way{{home, home}, {other, home}}
		addrs, _ := net.InterfaceAddrs() // without them there are fewer ways
		for _, i := range addrs {
			if p, err := netip.ParsePrefix(i.String()); err == nil && !p.Addr().IsLinkLocalUnicast() {
				ways = append(ways, way{p.Addr(), p.Addr()})
			}
		}
	case a.IsLoopback() && a.Is4():
		ways = []way{{home, a}, {other, a}}
	default:
		ways = []way{{a, a}}
	}
	for _, w := range ways {
		if !slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(w.from) }) {
			return w.from, netip.AddrPortFrom(w.to, l.Port()), true
		}
	}
	return from, to, false
}

// knock asks a port to take mail for somebody else.
func (d *doctor) knock(ctx context.Context, from netip.Addr, to netip.AddrPort, implicit, secure bool) Finding {
	const name = "relay"
	ctx, cancel := context.WithTimeout(ctx, dialogTime)
	defer cancel()
	where := to.String() + " in clear"
	if secure {
		where = to.String() + " with TLS"
	}
	code, text, err := d.try(ctx, from, to, implicit, secure)
	switch {
	case err != nil:
		return warn(name, "see that the server listens there", "%s could not be tried: %v", where, err)
	case code/100 == 2:
		return fail(name, "stop the server: it sends mail for anybody", "%s takes mail from strangers", where)
	case code == 530:
		return ok(name, "%s refuses strangers: %d %s", where, code, text)
	}
	return warn(name, "run doctor again", "%s did not ask for a password, but said: %d %s", where, code, text)
}

// try goes as far as RCPT and gives the first refusal, or the reply to RCPT.
func (d *doctor) try(ctx context.Context, from netip.Addr, to netip.AddrPort, implicit, secure bool) (int, string, error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: from.AsSlice()}}
	conn, err := dialer.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = conn.Close() }()
	deadline(ctx, conn)
	// Whose certificate it is does not matter here; we say nothing secret.
	t := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}
	if implicit {
		conn = tls.Client(conn, t)
	}
	c := textproto.NewConn(conn)
	say := func(line string) (int, string, error) {
		if line != "" {
			if err := c.PrintfLine("%s", line); err != nil {
				return 0, "", err
			}
		}
		code, text, err := c.ReadResponse(0)
		if code != 0 {
			err = nil // a reply is a reply
		}
		return code, text, err
	}
	hello := "EHLO " + d.cfg.Hostname
	lines := []string{"", hello}
	if secure && !implicit {
		lines = append(lines, "STARTTLS", hello)
	}
	lines = append(lines, fmt.Sprintf("MAIL FROM:<doctor@%s>", d.cfg.Hostname), "RCPT TO:<doctor@example.com>")
	var code int
	var text string
	for _, line := range lines {
		if code, text, err = say(line); err != nil || code/100 != 2 {
			return code, text, err
		}
		if line == "STARTTLS" {
			c = textproto.NewConn(tls.Client(conn, t))
		}
	}
	return code, text, nil
}
