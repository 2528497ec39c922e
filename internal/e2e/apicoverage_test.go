package e2e_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// apiTables are all calls, in their order.
func apiTables() []apiCall {
	return slices.Concat(apiSends, apiAccount, apiTopics, apiIdentities, apiSets, apiTopicsEnd, apiTemplates, apiSandbox, apiErrors)
}

// coverageRow is a title of docs/api-coverage.md, or a row: operation and state.
var coverageRow = regexp.MustCompile(`(?m)^(?:## (.*)|\| ([A-Za-z0-9]+)(?: \(.*\))? \| (done|partial|not yet|not applicable).*)$`)

// coverageTitles are the services by title.
var coverageTitles = map[string]string{"Version 2 (REST)": v2, "Version 1 (Query)": v1, "SNS, of which there is no more": topics}

// apiStates gives the state of each operation, as "ses SendEmail" and so on.
func apiStates(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "api-coverage.md"))
	if err != nil {
		t.Fatal(err)
	}
	states, service := make(map[string]string), ""
	for _, m := range coverageRow.FindAllStringSubmatch(string(b), -1) {
		if m[1] == "" {
			states[service+" "+m[2]] = m[3]
		} else if service = coverageTitles[m[1]]; service == "" {
			t.Fatalf("docs/api-coverage.md has operations of %s", m[1])
		}
	}
	return states
}

// there reports whether an operation of a state can be called.
func there(state string) bool { return state == "done" || state == "partial" }

// What docs/api-coverage.md says is there, the official SDKs have called. Needs
// nothing installed.
func TestTheSDKsCallEveryOperationThatIsThere(t *testing.T) {
	states, called := apiStates(t), make(map[string]bool)
	if len(states) < 180 {
		t.Fatalf("docs/api-coverage.md has %d rows", len(states))
	}
	for _, line := range apiTables() {
		name := line.service + " " + line.op
		called[name] = true
		if (line.service == v1 || line.service == v2 || line.service == topics) && states[name] == "" {
			t.Errorf("no operation is called %s", name)
		}
	}
	for name, state := range states {
		if there(state) && !called[name] {
			t.Errorf("%s is %s, and no line of the tables in internal/e2e calls it", name, state)
		}
	}
}
