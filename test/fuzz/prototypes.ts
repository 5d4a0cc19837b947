/** What every object inherits: an input that changes it has got at all of the program ("prototype pollution"). */
const PROTOTYPES = [Object.prototype, Array.prototype, Function.prototype].map((prototype) => ({
  prototype,
  own: Object.getOwnPropertyDescriptors(prototype),
  count: Reflect.ownKeys(prototype).length,
}));

/** @throws Error when something has been added; it is taken away again, so that the next input meets a clean state */
export function checkPrototypes(): void {
  for (const { prototype, own, count } of PROTOTYPES) {
    const keys = Reflect.ownKeys(prototype);
    if (keys.length === count) continue;
    const added = keys.filter((key) => !Object.hasOwn(own, key));
    for (const key of added) Reflect.deleteProperty(prototype, key);
    throw new Error(`the prototype of all objects has got ${added.map(String).join(", ")}`);
  }
}
