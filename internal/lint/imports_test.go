package lint_test

import (
	"fmt"
	"slices"
	"strings"
)

// ladder is the order of the rooms: each may import only those before it.
// bench stands behind all, since it is no part of the program.
var ladder = strings.Fields(`internal mail config dkim account auth event trace queue store delivery
	submission dispatch smtpd receiving api console daemon cmd bench`)

// maxRooms is how many rooms a newcomer can keep in mind.
const maxRooms = 24

// homes are the only folders that may import a library, with what lies below
// them; none: only tests. The doubles in internal/test* may import what they stand
// in for.
var homes = map[string][]string{
	"blitiri.com.ar/go/spf":            {"internal/spf"},
	"github.com/emersion/go-smtp":      {"smtpd", "internal/testmx", "bench/sink"},
	"github.com/emersion/go-sasl":      {"auth", "smtpd", "delivery", "internal/testmx"},
	"github.com/emersion/go-msgauth":   {"dkim", "receiving"},
	"go.etcd.io/bbolt":                 {"store/bolt"},
	"github.com/miekg/dns":             {"internal/resolver", "internal/testdns"},
	"github.com/pelletier/go-toml/v2":  {"config"},
	"github.com/spf13/cobra":           {"cmd"},
	"github.com/coreos/go-systemd/v22": {"daemon", "cmd"},
	"github.com/aws/aws-sdk-go-v2":     {"auth/sigv4"},
	"github.com/aws/smithy-go":         {},
	"github.com/rogpeppe/go-internal":  {},
	"go.uber.org/goleak":               {},
	"pgregory.net/rapid":               {},
	module + "config":                  {"daemon", "cmd"},
	module + "store/bolt":              {"daemon"},
	module + "internal/testdns":        {"internal/testmx", "bench"},
	module + "internal/testmx":         {"bench"},
	"net/smtp":                         {"bench"},
}

// double reports whether a package only serves tests: it may import what they may.
func double(dir string) bool {
	last := dir[strings.LastIndexByte(dir, '/')+1:]
	return strings.HasPrefix(dir, "internal/test") || dir != last && strings.HasSuffix(last, "test")
}

// under reports whether a package is the given one or lies below it.
func under(pkg, top string) bool { return pkg == top || strings.HasPrefix(pkg, top+"/") }

// ladderRule: a room imports only rooms to its left, and root internal none.
func ladderRule(h *house) (wrong []string) {
	for _, f := range h.product() {
		from := slices.Index(ladder, room(f.dir))
		if from < 0 {
			wrong = append(wrong, fmt.Sprintf("%s: room %q is not on the ladder", f.path, room(f.dir)))
			continue
		}
		for _, p := range f.imports {
			ours, ok := strings.CutPrefix(p, module)
			if !ok {
				continue
			}
			if to := slices.Index(ladder, room(ours)); to > from || to < 0 {
				wrong = append(wrong, fmt.Sprintf("%s: %s may not import %s, which is to its right", f.path, f.dir, ours))
			}
		}
	}
	return wrong
}

// homesRule: a library that has homes is imported nowhere else.
func homesRule(h *house) (wrong []string) {
	for _, f := range h.product() {
		for _, p := range f.imports {
			for library, list := range homes {
				if !under(p, library) || under(module+f.dir, library) || double(f.dir) {
					continue
				}
				if !slices.ContainsFunc(list, func(home string) bool { return under(f.dir, home) }) {
					wrong = append(wrong, fmt.Sprintf("%s: %s is not a home of %s", f.path, f.dir, p))
				}
			}
		}
	}
	return wrong
}

// roomsRule: there are not too many rooms.
func roomsRule(h *house) (wrong []string) {
	rooms := make(map[string]bool)
	for _, f := range h.files {
		rooms[room(f.dir)] = true
	}
	if len(rooms) > maxRooms {
		wrong = append(wrong, fmt.Sprintf("%d rooms, at most %d", len(rooms), maxRooms))
	}
	return wrong
}
