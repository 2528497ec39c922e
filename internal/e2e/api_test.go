//go:build e2e

package e2e_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	netmail "net/mail"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/internal/mta"
)

// caller makes the calls of one SDK in an account of its own.
type caller struct {
	t      *testing.T
	s      *sesame
	name   string
	sdk    sdk
	keys   map[string]sdkKeys
	states map[string]string // of operations
	kept   map[string]string
	sent   map[string]string // subjects by message id
	leaves map[string]bool   // message ids of what arrives
	events string            // file
	hook   *listener
}

// newCaller makes the account of an SDK, with a verified identity, all of whose
// mail is told of in a file.
func newCaller(t *testing.T, s *sesame, endpoint, name, events string, l *listener) (c *caller, records map[string]string) {
	t.Helper()
	c = &caller{t: t, s: s, name: name, sdk: sdks[name](t, s.door.ca), states: apiStates(t), kept: map[string]string{"c": name, "domain": name + ".example.com"},
		sent: make(map[string]string), leaves: make(map[string]bool), events: filepath.Join(events, name+".jsonl"), hook: l}
	c.kept["hook"] = l.url
	var account struct{ ID string }
	s.run(&account, "account", "create", name, "--json")
	c.kept["account"] = account.ID
	s.run(nil, "account", "production", name, "--quota", "50000", "--rate", "500")
	var credential struct {
		ID     string `json:"access_key_id"`
		Secret string `json:"secret_access_key"`
	}
	s.run(&credential, "credential", "create", "--account", name, "--json")
	own := sdkKeys{endpoint, "local-1", credential.ID, credential.Secret}
	unknown, wrong, elsewhere := own, own, own
	unknown.ID, wrong.Secret, elsewhere.Region = "AKIAAAAAAAAAAAAAAAAA", "wrong", "eu-west-9"
	c.keys = map[string]sdkKeys{"": own, "unknown": unknown, "wrong": wrong, "elsewhere": elsewhere}
	s.run(&credential, "credential", "create", "--account", name, "--from", "*@example.org", "--json")
	c.keys["narrow"] = sdkKeys{endpoint, "local-1", credential.ID, credential.Secret}
	s.run(nil, "configset", "create", "main", "--account", name)
	records = s.publish(name, c.kept["domain"])
	s.run(nil, "identity", "set", c.kept["domain"], "--account", name, "--configuration-set", "main")
	s.run(nil, "destination", "create", "--account", name, "--configuration-set", "main", "--name", "log", "--file", name+".jsonl")
	return c, records
}

// placeholder is the place of something kept.
var placeholder = regexp.MustCompile(`\$[a-z0-9]+`)

// fill puts what was kept in its places.
func (c *caller) fill(text string) string {
	return placeholder.ReplaceAllStringFunc(text, func(name string) string {
		value, ok := c.kept[name[1:]]
		if !ok && name != "$blob" {
			c.t.Errorf("nothing was kept as %s for %s", name, text)
		}
		if !ok {
			return name
		}
		return value
	})
}

// make makes one call and looks at the answer.
func (c *caller) make(line apiCall) {
	c.t.Helper()
	if line.service == cmd {
		c.s.run(nil, strings.Fields(c.fill(line.op+" "+line.in))...)
		return
	}
	if line.service == hook {
		m := c.hook.heard(c.t, "/"+c.name, line.op, c.fill(line.in))
		c.keep(line, m)
		return
	}
	if line.service == "nodemailer" && c.name != "node" {
		return
	}
	in := c.fill(line.in)
	if in == "" {
		in = "{}"
	}
	what := line.service + " " + line.op + " " + in
	call := sdkCall{line.service, line.op, json.RawMessage(in), c.keys[line.as]}
	a, err := c.sdk.call(call)
	if err != nil {
		c.t.Fatalf("%s: %v", what, err)
	}
	if a.Skip != "" {
		if c.name == "go" || !older(a.Skip) {
			c.t.Errorf("%s: %s", what, a.Skip)
		}
		return
	}
	want := c.fill(line.want)
	if state, known := c.states[line.service+" "+line.op]; known && !there(state) {
		want = map[string]string{v1: "InvalidAction: Unavailable Operation", v2: "UnknownOperationException: Unavailable Operation"}[line.service]
	}
	if !strings.HasPrefix(want, "{") {
		code, message, _ := strings.Cut(want, ": ")
		if a.Code != code && a.Code != code+"Exception" || !strings.HasPrefix(a.Message, message) {
			c.t.Errorf("%s: %+v, want %s", what, a, want)
		}
		if has := strings.Fields(modelled[line.service]); slices.Contains(has, code) && slices.Contains(strings.Fields(plain), a.Type) {
			c.t.Errorf("%s: %+v has not a type of its own", what, a)
		}
		return
	}
	if a.Code != "" && !line.until {
		c.t.Errorf("%s: %+v, want %s", what, a, want)
		return
	}
	var tree any
	if err := json.Unmarshal([]byte(want), &tree); err != nil {
		c.t.Fatalf("%v in %s", err, want)
	}
	for deadline := time.Now().Add(20 * time.Second); line.until && holds(a.Out, tree, "") != nil && time.Now().Before(deadline); tick(c.t, 50*time.Millisecond) {
		if a, err = c.sdk.call(call); err != nil {
			c.t.Fatalf("%s: %v", what, err)
		}
	}
	if err := holds(a.Out, tree, "answer"); err != nil {
		c.t.Errorf("%s: %v in %v", what, err, a.Out)
	}
	c.keep(line, a.Out)
	for i, mail := range slices.Concat(line.mail, line.told) {
		path, subject, _ := strings.Cut(mail, "=")
		id := fmt.Sprint(at(a.Out, path))
		c.sent[id], c.leaves[id] = c.fill(subject), i < len(line.mail)
	}
}

// keep keeps what a line wants kept of an answer.
func (c *caller) keep(line apiCall, answer any) {
	for _, keep := range strings.Fields(line.keep) {
		name, path, _ := strings.Cut(keep, "=")
		c.kept[name] = fmt.Sprint(at(answer, path))
	}
}

// older reports whether a call cannot be made since the SDK does not know it yet.
func older(text string) bool {
	for _, known := range []string{"no operation", "Unknown parameter", "Found invalid choice", "Invalid choice"} {
		if strings.Contains(text, known) {
			return true
		}
	}
	return false
}

// at gives a part of an answer by its path.
func at(tree any, path string) any {
	for name := range strings.SplitSeq(path, ".") {
		switch v := tree.(type) {
		case map[string]any:
			tree = v[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(v) {
				return nil
			}
			tree = v[i]
		default:
			return nil
		}
	}
	return tree
}

// holds reports what of a wanted answer another one lacks.
func holds(got, want any, path string) error {
	switch w := want.(type) {
	case map[string]any:
		g, _ := got.(map[string]any)
		for name, value := range w {
			if err := holds(g[name], value, path+"."+name); err != nil {
				return err
			}
		}
		return nil
	case []any:
		g, _ := got.([]any)
		if len(g) != len(w) {
			return fmt.Errorf("%s is %v, want %d of them: %v", path, got, len(w), want)
		}
		for i := range w {
			if err := holds(g[i], w[i], fmt.Sprint(path, ".", i)); err != nil {
				return err
			}
		}
		return nil
	case nil, bool:
		// What is no, SDKs may leave out or write down.
		if want == nil || want == false {
			if s := fmt.Sprint(got); got == nil || s == "" || s == "false" || s == "[]" || s == "map[]" {
				return nil
			}
		}
	case string:
		if w == "*" && got != nil && got != "" {
			return nil
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		return fmt.Errorf("%s is %v, want %v", path, got, want)
	}
	return nil
}

// told gives the types of events by message id, with a complaint about each event
// that has not the subject of its message.
func (c *caller) told() (types map[string]map[string]bool) {
	types = make(map[string]map[string]bool)
	b, err := os.ReadFile(c.events)
	if err != nil && !os.IsNotExist(err) {
		c.t.Fatal(err)
	}
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		var e struct {
			EventType string
			Mail      struct {
				MessageID     string
				CommonHeaders struct{ Subject, MessageID string }
			}
		}
		if json.Unmarshal(s.Bytes(), &e) != nil {
			continue // the last line, which is being written
		}
		id := e.Mail.MessageID
		if types[id] == nil {
			types[id] = make(map[string]bool)
		}
		types[id][e.EventType] = true
		if want := c.sent[id]; want != e.Mail.CommonHeaders.Subject || id != e.Mail.CommonHeaders.MessageID {
			c.t.Errorf("event of %s with subject %q, want %q: %s", id, e.Mail.CommonHeaders.Subject, want, s.Bytes())
		}
	}
	return types
}

// check waits for the events of all that was sent, and looks at what arrived.
func (c *caller) check(mx *mta.Postfix, strict bool) (signed map[string][]byte) {
	c.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for done := false; !done; tick(c.t, 50*time.Millisecond) {
		done = true
		types := c.told()
		for id, subject := range c.sent {
			if !types[id]["Send"] || c.leaves[id] && !types[id]["Delivery"] || len(types[id]) < 2 {
				done = false
				if time.Now().After(deadline) {
					c.t.Fatalf("%s (%s) has events %v", subject, id, types[id])
				}
			}
		}
	}
	signed = make(map[string][]byte)
	mail, err := mx.Mail(c.t.Context(), 1)
	if err != nil {
		c.t.Fatal(err)
	}
	for id, subject := range c.sent {
		for _, b := range mail {
			if !bytes.Contains(b, []byte("\nSubject: "+subject+"\n")) {
				continue
			}
			if signed[subject] != nil {
				c.t.Errorf("%s arrived twice", subject)
			}
			signed[subject] = b
			m, err := netmail.ReadMessage(bytes.NewReader(b))
			if err != nil {
				c.t.Fatal(err)
			}
			local, _, _ := strings.Cut(strings.Trim(m.Header.Get("Message-ID"), "<>"), "@")
			if own := c.name == "node" && strings.Contains(subject, "nodemailer") && !strict; local != id && !own || local == id && own {
				c.t.Errorf("%s has Message-ID %s, want %s there", subject, m.Header.Get("Message-ID"), id)
			}
		}
		if (signed[subject] != nil) != c.leaves[id] {
			c.t.Errorf("%s arrived: %t, want the opposite", subject, signed[subject] != nil)
		}
	}
	return signed
}

// dkimChecks does what dkimCheck does for many messages.
const dkimChecks = `
import base64, dkim, json, sys
both = json.load(sys.stdin)
def txt(name, timeout=5):
    return both["records"][name.decode().rstrip(".")].encode()
for subject, text in both["mail"].items():
    d = dkim.DKIM(base64.b64decode(text))
    n = sum(1 for name, _ in d.headers if name.lower() == b"dkim-signature")
    if n != both["signatures"] or not all(d.verify(idx=i, dnsfunc=txt) for i in range(n)):
        print(subject, "has", n, "signatures, and not all hold")
`

// checkDKIM verifies the signatures of messages, of which each has so many.
func checkDKIM(t *testing.T, signatures int, records map[string]string, mail map[string][]byte) {
	t.Helper()
	if len(mail) == 0 {
		t.Error("no mail to look at")
	}
	text, err := json.Marshal(map[string]any{"signatures": signatures, "records": records, "mail": mail})
	if err != nil {
		t.Fatal(err)
	}
	if out := program(t, "", nil, text, "/usr/bin/python3", "-c", dkimChecks); out != "" {
		t.Error(out)
	}
}

// all is what a server has of which the API tells.
const all = `
[service]
domain = "return.example.com"
public_url = "https://mail.example.com"
[[source]]
name = "one"
address = "127.0.0.1"
pool = "fast"
`

// The official SDKs, with nothing of theirs changed, call all that is there, by
// TLS. Their mail arrives at a real Postfix.
func TestSDKs(t *testing.T) {
	eachSDK(t, "https", settings{listen: "public = \"127.0.0.1:0\"", delivery: all}, 3, apiTables())
}

// They send without TLS too, and in the profile that answers as Amazon SES does.
func TestSDKsInTheStrictProfile(t *testing.T) {
	eachSDK(t, "http", settings{top: `profile = "ses"`}, 2, apiSends)
}

// The aws command of Debian sends by the lines of docs/howto/api.md.
func TestTheAWSCommandSendsByItsRecipe(t *testing.T) {
	need(t, "/usr/bin/aws")
	mx := receivingPostfix(t)
	port := freePort(t)
	s := newSesame(t, settings{port: portOf(t, mx.Addr), listen: fmt.Sprintf("api = %q", "https://127.0.0.1:"+port)})
	a := newArrivals(t, mx, s.verify("example.com"))
	var credential struct {
		ID     string `json:"access_key_id"`
		Secret string `json:"secret_access_key"`
	}
	s.run(&credential, "credential", "create", "--account", "default", "--json")
	text := strings.NewReplacer("mail.example.com:8443", "localhost:"+port, "AKIAEXAMPLE", credential.ID, "THE_OTHER", credential.Secret, "/path/to/ca.pem", s.door.ca,
		"aws --", "/usr/bin/aws --").Replace(recipe(t, "api.md", "aws.sh", ""))
	out := script(t, []string{"HOME=" + t.TempDir()}, "aws.sh", text, "sh", "aws.sh")
	var sent struct{ MessageID string }
	if err := json.Unmarshal([]byte(out), &sent); err != nil || sent.MessageID == "" {
		t.Errorf("no id in %s: %v", out, err)
	}
	if got := a.signed(t, "Hello from the aws command"); !bytes.Contains(got, []byte("Message-ID: <"+sent.MessageID+"@")) {
		t.Errorf("no id %s in\n%s", sent.MessageID, got)
	}
}

// publish gives the TXT records that an identity with its keys makes, behind their
// CNAME records, and those of the service domain, if there is one.
func (s *sesame) publish(account, domain string) map[string]string {
	s.t.Helper()
	type record struct{ Name, Type, Value string }
	var identity struct{ Records []record }
	s.run(&identity, "identity", "add", domain, "--account", account, "--verified", "--ed25519", "--json")
	txt := make(map[string]string)
	if out, err := s.command("service", "records", "--json"); err == nil {
		for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
			var r record
			if err := d.Decode(&r); err != nil {
				s.t.Fatal(err)
			}
			txt[strings.TrimSuffix(r.Name, ".")] = r.Value
		}
	}
	for _, r := range identity.Records {
		value := r.Value
		if r.Type == "CNAME" {
			value = txt[strings.TrimSuffix(r.Value, ".")]
		}
		txt[strings.TrimSuffix(r.Name, ".")] = value
	}
	return txt
}

// writeList writes the addresses that an account imports.
func writeList(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "list.csv"), []byte("listed@example.net,COMPLAINT\nother@example.net,BOUNCE\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func eachSDK(t *testing.T, scheme string, o settings, signatures int, calls []apiCall) {
	mx := receivingPostfix(t)
	events, imports, endpoint := filepath.Join(t.TempDir(), "events"), t.TempDir(), scheme+"://127.0.0.1:"+freePort(t)
	o.port = portOf(t, mx.Addr)
	o.listen += fmt.Sprintf("\napi = %q", endpoint)
	o.delivery += fmt.Sprintf("\n[events]\nallow_networks = [\"127.0.0.0/8\"]\nfile_dir = %q\n[api]\nimport_dir = %q", events, imports)
	s := newSesame(t, o)
	l := newListener(t)
	for name := range sdks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, records := newCaller(t, s, endpoint, name, events, l)
			writeList(t, filepath.Join(imports, c.kept["account"]))
			for _, line := range calls {
				c.make(line)
			}
			checkDKIM(t, signatures, records, c.check(mx, o.top != ""))
		})
	}
}
