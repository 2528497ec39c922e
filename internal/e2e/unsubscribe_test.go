//go:build e2e

package e2e_test

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
)

// leaveCheck reads a letter with Python's parser and gives the link of its header,
// after it has seen it in each of its texts.
const leaveCheck = `
import email, email.policy, sys
m = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.default)
links = m.get_all("List-Unsubscribe")
assert len(links) == 1 and m.get_all("List-Unsubscribe-Post") == ["List-Unsubscribe=One-Click"], m.items()
link = links[0].strip("<>")
texts = [p.get_content() for p in m.walk() if p.get_content_maintype() == "text"]
assert [t.replace(link, "LINK") for t in texts] == [
    "Grüße!\n\nTo leave: LINK\n", '<p>Grüße! <a href="LINK">Leave</a></p>\n'], texts
assert not any(p.defects for p in m.walk())
print(link)
`

// The page about unsubscribing, from the file to the click.
func TestAListIsLeftByTheRecipe(t *testing.T) {
	mx := receivingPostfix(t)
	public := net.JoinHostPort("127.0.0.1", freePort(t))
	file := recipe(t, "unsubscribe.md", "sesame.toml", "")
	file = regexp.MustCompile(`public = ".*"`).ReplaceAllLiteralString(file, `public = "`+public+`"`)
	listen, service, ok := strings.Cut(file, "[service]")
	if !ok {
		t.Fatalf("no [service] in\n%s", file)
	}
	s := newSesame(t, settings{port: portOf(t, mx.Addr), listen: strings.TrimPrefix(listen, "[listen]\n"), delivery: "\n[service]" + service})
	a := newArrivals(t, mx, s.verify("example.com"))
	// commands runs the lines of a block.
	commands := func(name string) (out string) {
		t.Helper()
		for line := range strings.Lines(recipe(t, "unsubscribe.md", name, "")) {
			words := strings.Fields(line)
			text, err := s.command(words[1:]...)
			if words[0] != "sesame" || err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			out += string(text)
		}
		return out
	}
	commands("setup.sh")
	letter := func(subject string) {
		t.Helper()
		text := strings.Replace(s.door.fill(recipe(t, "unsubscribe.md", "letter.py", "")), "A letter of the list", subject, 1)
		script(t, []string{"SSL_CERT_FILE=" + s.door.ca}, "letter.py", text, "/usr/bin/python3", "letter.py")
	}
	letter("The first letter")
	got := arrival(t, mx, "The first letter")
	// A Maildir has lines with LF, as DKIM and the parser of Python take them.
	if out := program(t, "", nil, got, "/usr/bin/python3", "-c", dkimCheck, a.records); !strings.HasSuffix(strings.TrimSpace(out), " True") {
		t.Errorf("DKIM: %q in\n%s", out, got)
	}
	link := strings.TrimSpace(program(t, "", []string{"PYTHONIOENCODING=utf-8"}, got, "/usr/bin/python3", "-c", leaveCheck))
	link = strings.Replace(link, "https://mail.example.com", "http://"+public, 1)

	need(t, "curl")
	click := strings.Replace(recipe(t, "unsubscribe.md", "click.sh", ""), "LINK", link, 1)
	if out := script(t, nil, "click.sh", click, "sh", "click.sh"); !strings.Contains(out, "gets no more mail of the list <strong>news</strong>") {
		t.Errorf("the page says\n%s", out)
	}
	if out := commands("look.sh"); strings.Count(out, "recipient@example.net") != 2 || strings.Count(out, "UNSUBSCRIBE") != 2 {
		t.Errorf("the list says\n%s", out)
	}
	letter("The second letter")
	letterUnder := strings.Replace(s.door.fill(recipe(t, "unsubscribe.md", "letter.py", "")), `message["X-SES`, `message["X-Other`, 1)
	script(t, []string{"SSL_CERT_FILE=" + s.door.ca}, "letter.py", strings.Replace(letterUnder, "A letter of the list", "Another letter", 1), "/usr/bin/python3", "letter.py")
	arrival(t, mx, "Another letter")
	arrivalOf(t, mx, "about the second letter", func(b []byte) bool {
		return bytes.Contains(b, []byte("unsubscribed from the list news")) && bytes.Contains(b, []byte("The second letter"))
	})
	if log, err := os.ReadFile(s.log); err != nil || !bytes.Contains(log, []byte("recipient unsubscribed")) {
		t.Errorf("the log does not tell: %v", err)
	}
	if r, err := http.Get("http://" + public + "/unsubscribe/" + strings.Repeat("A", 80) + "1"); err != nil || r.StatusCode != http.StatusNotFound {
		t.Errorf("a forged link: %v, %v", r, err)
	} else {
		_ = r.Body.Close()
	}
}
