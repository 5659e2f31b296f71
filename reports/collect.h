// Reads the profile database into a Report. Does not write, measure or judge. One thread per Store.
#pragma once

#include <string>

#include "profiles/store/store.h"
#include "reports/report.h"

namespace hetero {

// `database` is how the report names the file. `model_fingerprint` limits runs, samples and plans to a model; empty:
// all. Throws input_error when the database knows no such model.
Report collect(const Store& store, const std::string& database, const std::string& model_fingerprint);

}  // namespace hetero
