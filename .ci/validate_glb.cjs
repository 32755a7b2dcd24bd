// node validate_glb.cjs FOLDER_WITH_node_modules FILE...: fails when a file has an error or a warning.
const fs = require("fs");
const path = require("path");
const [modules, ...files] = process.argv.slice(2);
const { validateBytes } = require(path.join(modules, "node_modules/gltf-validator"));

async function check(file) {
  const report = await validateBytes(new Uint8Array(fs.readFileSync(file)));
  const { numErrors, numWarnings, messages } = report.issues;
  console.log(`${path.basename(file)}: ${report.info.totalTriangleCount} triangles, ${numErrors} errors, ${numWarnings} warnings`);
  messages.filter((one) => one.severity < 2).slice(0, 5).forEach((one) => console.log(`  ${one.code} ${one.pointer}: ${one.message}`));
  return numErrors + numWarnings === 0;
}

Promise.all(files.map(check)).then((right) => process.exit(files.length > 0 && right.every(Boolean) ? 0 : 1));
