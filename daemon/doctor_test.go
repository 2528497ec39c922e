package daemon_test

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/config"
	"github.com/sesame-mta/sesame/daemon"
	"github.com/sesame-mta/sesame/internal/testdns"
	"github.com/sesame-mta/sesame/internal/testmx"
)

// healthy publishes what a relay should have published, and gives options for
// its doctor.
func healthy(t *testing.T, r *relay) daemon.DoctorOptions {
	t.Helper()
	r.dns.Secure(true)
	r.dns.Set(`
		signed.example.org MX 10 mx.example.net
		mx1.example.org A 192.0.2.10
		mx1.example.org MX 10 mx1.example.org
		mx1.example.org TXT "v=spf1 a -all"
		10.2.0.192.in-addr.arpa PTR mx1.example.org`)
	for rec, err := range r.admin().HostRecords(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if rec.Type == "TXT" && strings.Contains(rec.Name, "._domainkey.") {
			r.dns.Set(fmt.Sprintf("%s TXT %q", rec.Name, rec.Value))
		}
	}
	c := *r.cfg
	c.Listen.STARTTLS, c.Listen.ImplicitTLS = r.addrs.STARTTLS, r.addrs.ImplicitTLS
	return daemon.DoctorOptions{Config: &c, Outbound: r.mx.Addr().String(), Signed: "signed.example.org"}
}

// examine runs the doctor and gives its lines.
func examine(t *testing.T, o daemon.DoctorOptions) []string {
	t.Helper()
	found, err := daemon.Doctor(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range found {
		lines = append(lines, fmt.Sprintf("%s %s: %s; %s", f.Level, f.Check, f.What, f.Do))
		if f.Level != daemon.DoctorOK && f.Do == "" {
			t.Errorf("%s %s: %s: it does not say what to do", f.Level, f.Check, f.What)
		}
	}
	return lines
}

// says reports whether one line has all of the words, which are parted by "...".
func says(lines []string, words string) bool {
	for _, l := range lines {
		all := true
		for _, w := range strings.Split(words, "...") {
			all = all && strings.Contains(l, w)
		}
		if all {
			return true
		}
	}
	return false
}

func TestDoctorFindsAHealthyHostHealthy(t *testing.T) {
	r := newRelay(t, testmx.Options{})
	o := healthy(t, r)
	check := func(lines []string, wants ...string) {
		t.Helper()
		for _, w := range wants {
			if !says(lines, w) {
				t.Errorf("no line %q", w)
			}
		}
		for _, l := range lines {
			// Where these tests run the clock may go as it likes, and data lie in memory.
			if strings.HasPrefix(l, "fail") && !strings.Contains(l, "lies in memory") {
				t.Error(l)
			}
		}
		if t.Failed() {
			t.Log(strings.Join(lines, "\n"))
		}
	}
	both := []string{
		"ok resolver: ", "ok ptr: 192.0.2.10 is called mx1.example.org", "ok ehlo: mx1.example.org leads to 192.0.2.10",
		"ok spf: 192.0.2.10 may send for mx1.example.org", "ok dkim: ", "ok mx: ", "ok outbound: this host reaches 127.0.0.1:",
		"disk: a sync takes ", " clock: ", "warn certificate: names mx1.example.org, but clients that check will not take it",
	}
	running := examine(t, o)
	check(running, both...)
	check(running,
		"ok relay: "+o.Config.Listen.STARTTLS[0]+" in clear refuses strangers: 530",
		"ok relay: "+o.Config.Listen.STARTTLS[0]+" with TLS refuses strangers: 530",
		"ok relay: "+o.Config.Listen.ImplicitTLS[0]+" with TLS refuses strangers: 530")
	r.stop()
	stopped := examine(t, o)
	check(stopped, both...)
	check(stopped, "warn relay: ...it does not run")
	left, err := filepath.Glob(filepath.Join(o.Config.DataDir, ".doctor*"))
	if err != nil || len(left) != 0 {
		t.Errorf("it left %v, %v", left, err)
	}
	r.start() // what the doctor opened is closed again
}

func TestDoctorSaysWhatIsWrong(t *testing.T) {
	r := newRelay(t, testmx.Options{})
	key := ""
	for rec, err := range r.admin().HostRecords(t.Context()) {
		if err == nil && strings.Contains(rec.Name, "._domainkey.") {
			key = rec.Name
		}
	}
	r.dns.Fault("down.example.org", testdns.ServFail())
	for name, tt := range map[string]struct {
		zone  string // instead of the records of these names
		alter func(o *daemon.DoctorOptions)
		want  []string
	}{
		"an address without name": {zone: "10.2.0.192.in-addr.arpa TXT none",
			want: []string{"fail ptr: 192.0.2.10 has no name; ...PTR record to mx1.example.org"}},
		"an address with another name": {zone: "10.2.0.192.in-addr.arpa PTR host-10.example.net",
			want: []string{"fail ptr: 192.0.2.10 is called host-10.example.net, but says mx1.example.org in EHLO"}},
		"an address with two names": {zone: "10.2.0.192.in-addr.arpa PTR mx1.example.org\n10.2.0.192.in-addr.arpa PTR x.example.org",
			want: []string{"warn ptr: 192.0.2.10 has 2 names"}},
		"a host name without address": {zone: "mx1.example.org MX 10 mx1.example.org",
			want: []string{"fail names: the host name mx1.example.org has no address"}},
		"a private address": {zone: "mx1.example.org A 10.0.0.5",
			want: []string{"warn names: 10.0.0.5 is not a public address"}},
		"no SPF and no MX": {zone: "mx1.example.org A 192.0.2.10",
			want: []string{`fail spf: mx1.example.org has no SPF record; publish: mx1.example.org TXT "v=spf1 a -all"`,
				"warn mx: mx1.example.org has no MX record...publish: mx1.example.org MX 10 mx1.example.org"}},
		"SPF without us, MX elsewhere": {zone: "mx1.example.org A 192.0.2.10\nmx1.example.org TXT \"v=spf1 ip4:198.51.100.1 -all\"\nmx1.example.org MX 5 mx.example.net",
			want: []string{"fail spf: the SPF record of mx1.example.org does not let 192.0.2.10 send (fail)", "warn mx: ...goes to mx.example.net"}},
		"broken SPF, null MX": {zone: "mx1.example.org A 192.0.2.10\nmx1.example.org TXT \"v=spf1 nonsense\"\nmx1.example.org MX 0 .",
			want: []string{"fail spf: the SPF record of mx1.example.org cannot be read", "warn mx: ...goes to nobody (a null MX)"}},
		"nothing comes back": {alter: func(o *daemon.DoctorOptions) { o.Config.Service.Domain = "mail.example.org" },
			want: []string{"warn feedback: bounces and complaints that come later go to the senders themselves...set [listen] feedback"}},
		"nothing can come back": {zone: "mail.example.org MX 10 mx.example.net",
			alter: func(o *daemon.DoctorOptions) {
				o.Config.Service.Domain, o.Config.Service.FeedbackHost = "mail.example.org", "fb.example.org"
				o.Config.Listen.Feedback = o.Config.Listen.STARTTLS
			},
			want: []string{"warn feedback: no feedback listener is on port 25", "warn feedback: nobody reads mail to postmaster@ and abuse@mail.example.org",
				"fail mx: mail for mail.example.org goes to mx.example.net...publish: mail.example.org MX 10 fb.example.org"}},
		"all comes back": {zone: "mail.example.org MX 10 fb.example.org",
			alter: func(o *daemon.DoctorOptions) {
				o.Config.Service.Domain, o.Config.Service.FeedbackHost = "mail.example.org", "fb.example.org"
				o.Config.Service.Postmaster, o.Config.Listen.Feedback = "ops@example.net", []string{":25"}
			},
			want: []string{"ok feedback: what comes back to mail.example.org is taken", "ok mx: mail for mail.example.org comes here"}},
		"a key that is not published": {zone: key + " A 192.0.2.1",
			want: []string{"fail dkim: the key at " + key + " is not published; publish: " + key + " TXT \"v=DKIM1;"}},
		"another key": {zone: key + ` TXT "v=DKIM1; p=AAAA"`, want: []string{"fail dkim: another key than ours"}},
		"two keys": {zone: key + " TXT \"v=DKIM1; p=AAAA\"\n" + key + " TXT \"v=DKIM1; p=BBBB\"",
			want: []string{"fail dkim: there are 2 records"}},
		"a source whose EHLO name leads elsewhere": {zone: "a.example.org A 192.0.2.77\n11.2.0.192.in-addr.arpa PTR a.example.org",
			alter: func(o *daemon.DoctorOptions) {
				o.Config.Sources = []config.Source{{Name: "a", Address: netip.MustParseAddr("192.0.2.11"), EHLO: "a.example.org"}}
			},
			want: []string{"ok ptr: 192.0.2.11 is called a.example.org", "fail ehlo: the EHLO name a.example.org does not lead to 192.0.2.11; publish: a.example.org A 192.0.2.11",
				"fail spf: a.example.org has no SPF record; publish: a.example.org TXT", "fail spf: the SPF record of mx1.example.org does not let 192.0.2.11 send",
				"fail outbound: 192.0.2.11 cannot reach 127.0.0.1:"}},
		"a service domain of its own": {zone: "mail.example.org A 192.0.2.99",
			alter: func(o *daemon.DoctorOptions) { o.Config.Service.Domain = "mail.example.org" },
			want: []string{"ok spf: 192.0.2.10 may send for mx1.example.org", "fail spf: mail.example.org has no SPF record",
				"warn mx: mail.example.org has no MX record"}},
		"name servers that fail": {alter: func(o *daemon.DoctorOptions) { o.Signed = "down.example.org" },
			want: []string{"fail resolver: names cannot be looked up"}},
		"a name that fails": {alter: func(o *daemon.DoctorOptions) { o.Config.Service.Domain = "down.example.org" },
			want: []string{"warn mx: the MX of down.example.org could not be looked up", "warn spf: the SPF record of down.example.org could not be evaluated"}},
		"a smarthost": {alter: func(o *daemon.DoctorOptions) { o.Config.Delivery.Smarthost, o.Outbound = o.Outbound, "" },
			want: []string{"ok names: mail leaves through 127.0.0.1:", "ok outbound: this host reaches 127.0.0.1:"}},
		"nobody to try": {alter: func(o *daemon.DoctorOptions) { o.Outbound = "" },
			want: []string{"warn outbound: port ...was not tried; name a mail host"}},
		"no such host to try": {alter: func(o *daemon.DoctorOptions) { o.Outbound = "nobody.example.org" },
			want: []string{"warn outbound: nobody.example.org has no address"}},
		"a port that is closed": {alter: func(o *daemon.DoctorOptions) { o.Outbound = "127.0.0.1:1" },
			want: []string{"fail outbound: this host cannot reach 127.0.0.1:1: ...; have the port opened"}},
		"a scanner that is down": {alter: func(o *daemon.DoctorOptions) { o.Config.Scan.Clamd = "unix:/nowhere/clamd.ctl" },
			want: []string{"fail scanner: mail waits"}},
		"everybody is trusted": {alter: func(o *daemon.DoctorOptions) {
			o.Config.Listen.TrustedNetworks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		}, want: []string{"warn relay: ...every address of this host is trusted"}},
		"a certificate of another host": {alter: func(o *daemon.DoctorOptions) { o.Config.Hostname = "mx9.example.org" },
			want: []string{"fail certificate: it does not name the host: [mx1.example.org]; get one that names mx9.example.org"}},
		"a certificate that is not there": {alter: func(o *daemon.DoctorOptions) { o.Config.TLS = config.TLS{Certificate: "/nowhere", Key: "/nowhere"} },
			want: []string{"fail certificate: open /nowhere"}},
		"a data directory that is not there": {alter: func(o *daemon.DoctorOptions) {
			o.Config.DataDir, o.Config.Listen.Admin = "/nowhere", "/nowhere/admin.sock"
		}, want: []string{"warn disk: /nowhere does not exist yet", "warn dkim: ...never started", "warn relay: "}},
	} {
		t.Run(name, func(t *testing.T) {
			o := healthy(t, r)
			r.dns.Set(tt.zone)
			if tt.alter != nil {
				tt.alter(&o)
			}
			lines := examine(t, o)
			for _, w := range tt.want {
				if !says(lines, w) {
					t.Errorf("no line %q in\n%s", w, strings.Join(lines, "\n"))
				}
			}
		})
	}
}

func TestDoctorSeesAClockThatWentBack(t *testing.T) {
	r := newRelay(t, testmx.Options{})
	o := healthy(t, r)
	r.stop()
	future := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(o.Config.DataDir, "spool.db"), future, future); err != nil {
		t.Fatal(err)
	}
	if lines := examine(t, o); !says(lines, "fail clock: the clock is at least ...behind: the spool was written at") {
		t.Error(strings.Join(lines, "\n"))
	}
}

// A server that takes what it is given is an open relay, whatever it says first.
func TestDoctorSeesAnOpenRelay(t *testing.T) {
	r := newRelay(t, testmx.Options{})
	o := healthy(t, r)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(c, "220 open.example.org\r\n")
			for s := bufio.NewScanner(c); s.Scan(); {
				switch {
				case strings.HasPrefix(s.Text(), "EHLO"):
					fmt.Fprint(c, "250-open.example.org\r\n250 SIZE\r\n")
				case strings.HasPrefix(s.Text(), "STARTTLS"):
					fmt.Fprint(c, "454 not today\r\n")
				default:
					fmt.Fprint(c, "250 2.1.0 welcome\r\n")
				}
			}
			_ = c.Close()
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	o.Config.Listen.STARTTLS, o.Config.Listen.ImplicitTLS = []string{l.Addr().String()}, nil
	lines := examine(t, o)
	for _, w := range []string{
		"fail relay: " + l.Addr().String() + " in clear takes mail from strangers; stop the server",
		"warn relay: " + l.Addr().String() + " with TLS did not ask for a password, but said: 454 not today",
	} {
		if !says(lines, w) {
			t.Errorf("no line %q in\n%s", w, strings.Join(lines, "\n"))
		}
	}
}
