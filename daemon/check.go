package daemon

import "github.com/sesame-mta/sesame/store/bolt"

// CheckSpool walks the data directory of a stopped server, changing nothing, and
// says what is wrong with it, one line each. The error is what kept it from
// looking.
func CheckSpool(dir string) ([]string, error) {
	problems, err := bolt.Check(dir)
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = p.String()
	}
	return lines, err
}
