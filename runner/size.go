package runner

import "github.com/rl-project/rl/internal/treesize"

// Written returns how many bytes are in the files that a container has written
// or changed. The caller is in the user namespace: nobody else may read all of
// them.
func (s Store) Written(id string) (int64, error) { return treesize.Bytes(s.file(id, "upper")) }
