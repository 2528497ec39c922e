//go:build e2e

package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/internal/mta"
	"github.com/sesame-mta/sesame/internal/testdns"
)

// binary gives the program under test; make e2e builds it.
func binary(t *testing.T) string {
	t.Helper()
	path := os.Getenv("SESAME_BIN")
	if path == "" {
		path = filepath.Join("..", "..", "bin", "sesame")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v; run make e2e, which builds it", err)
	}
	return path
}

// sesame is one server with its files, which can be ended and started again.
type sesame struct {
	t       *testing.T
	bin     string
	dir     string
	config  string
	data    string
	log     string
	addr    string // of the STARTTLS port
	door    door
	dns     *testdns.Server
	process *mta.Process
}

const configText = `hostname = "mail.example.com"
data_dir = %q
%s

[listen]
starttls         = ["%s"]
implicit_tls     = ["%s"]
admin            = %q
metrics          = ""
%s

[tls]
certificate = "cert.pem"
key         = "key.pem"

[dns]
resolvers = [%q]

[delivery]
port           = %s
allow_networks = ["127.0.0.0/8"]
retry          = ["1s", "2s"]
%s
`

// settings change what newSesame makes.
type settings struct {
	data     string // another folder for the data
	host     string // listen here at the five ports of SES, which needs root
	top      string // more lines before the first table
	port     string // where the hosts of all domains listen
	listen   string // more lines for [listen]
	delivery string // more lines for [delivery]
	// feedback is a port that takes what comes back, to return.example.com.
	feedback string
}

// newSesame starts a server whose name server knows example.com, with a verified
// identity and DKIM keys, and example.net, both with 127.0.0.1 as MX.
func newSesame(t *testing.T, o settings) *sesame {
	t.Helper()
	s := &sesame{t: t, bin: binary(t), dir: t.TempDir(), data: o.data}
	if s.data == "" {
		s.data = filepath.Join(s.dir, "data")
	}
	s.config = filepath.Join(s.dir, "sesame.toml")
	s.log = filepath.Join(s.dir, "log")
	s.dns = testdns.New(t, `
example.com    MX 10 mx.example.net
example.net    MX 10 mx.example.net
mx.example.net A 127.0.0.1
`)
	host, ports := "127.0.0.1", []string{freePort(t), freePort(t), freePort(t), freePort(t)}
	if o.feedback != "" {
		ports[0] = o.feedback
		o.listen += fmt.Sprintf("\nfeedback = [%q]", net.JoinHostPort(host, o.feedback))
		o.delivery += "\n[service]\ndomain = \"return.example.com\""
	}
	if o.host != "" {
		host, ports = o.host, []string{"587", "2587", "465", "2465", "25"}
	}
	var addrs []string
	for _, port := range ports {
		addrs = append(addrs, net.JoinHostPort(host, port))
	}
	s.addr = addrs[0]
	s.door = door{host: "localhost", starttls: ports[0], starttls2: ports[1], implicit: ports[2], implicit2: ports[3], ca: makeCertificate(t, s.dir)}
	if o.host != "" {
		s.door.host = host
	}
	starttls, implicit := slices.Concat(addrs[:2], addrs[4:]), addrs[2:4]
	text := fmt.Sprintf(configText, s.data, o.top, strings.Join(starttls, `", "`), strings.Join(implicit, `", "`),
		filepath.Join(s.dir, "admin.sock"), o.listen, s.dns.Addr, o.port, o.delivery)
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	t.Cleanup(func() {
		s.process.Stop(25 * time.Second)
		if t.Failed() {
			t.Logf("end of the log:\n%s", mta.Tail(s.log, 60))
		}
	})
	var credential struct{ Username, Password string }
	s.run(&credential, "credential", "create", "--account", "default", "--json")
	s.door.user, s.door.password = credential.Username, credential.Password
	return s
}

// start starts the server, for the first time or again.
func (s *sesame) start() {
	s.t.Helper()
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(s.bin, "serve", "--config", s.config)
	cmd.Stdout, cmd.Stderr = log, log
	if s.process, err = mta.Start(cmd); err != nil {
		s.t.Fatal(err)
	}
	if err := mta.WaitGreeting(s.t.Context(), s.addr, s.process.Done); err != nil {
		s.process.Kill()
		s.t.Fatalf("start: %v\n%s", err, mta.Tail(s.log, 20))
	}
}

// verify makes an identity by the operator's word, publishes what its owner must
// publish, and gives the names and values of the TXT records.
func (s *sesame) verify(domain string) map[string]string {
	s.t.Helper()
	var identity struct {
		Status  string
		Records []struct{ Name, Type, Value string }
	}
	s.run(&identity, "identity", "add", domain, "--account", "default", "--verified", "--ed25519", "--json")
	txt := map[string]string{}
	for _, r := range identity.Records {
		if r.Type == "TXT" {
			txt[strings.TrimSuffix(r.Name, ".")] = r.Value
		}
	}
	return txt
}

// run runs one of the operator's commands against the server and reads its JSON.
func (s *sesame) run(into any, args ...string) {
	s.t.Helper()
	out, err := s.command(args...)
	if err != nil {
		s.t.Fatal(err)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(out, into); err != nil {
		s.t.Fatalf("sesame %s: %v in %s", strings.Join(args, " "), err, out)
	}
}

func (s *sesame) command(args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.bin, append(args, "--config", s.config)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("sesame %s: %w: %s%s", strings.Join(args, " "), err, out, &stderr)
	}
	return out, nil
}

func freePort(t *testing.T) string {
	t.Helper()
	port, err := mta.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(port)
}

// portOf gives the port of an address.
func portOf(t *testing.T, addr string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// script runs a program in a folder of its own with a recipe as its file, and
// gives what it printed. It must end well within a minute.
func script(t *testing.T, env []string, file, text string, args ...string) string {
	t.Helper()
	need(t, args[0])
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return program(t, dir, env, nil, args...)
}

func program(t *testing.T, dir string, env []string, stdin []byte, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin = bytes.NewReader(stdin)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
