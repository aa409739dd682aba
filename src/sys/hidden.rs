//! Functions under names that C knows and no other library of the process sees.

/// The jump to the operand `function`, by which a hidden name leads to that function.
#[cfg(target_arch = "x86_64")]
macro_rules! jump {
    () => {
        "jmp {function}"
    };
}
#[cfg(target_arch = "aarch64")]
macro_rules! jump {
    () => {
        "b {function}"
    };
}
pub(crate) use jump;

/// Defines a function with a hidden name from instructions. Its section is called `$section` followed by
/// the name; `$operand` are the operands that the instructions name.
macro_rules! named_code {
    ($section:literal, $name:literal, [$($code:tt)*], $($operand:tt)*) => {
        core::arch::global_asm!(
            concat!(".pushsection ", $section, $name, ",\"ax\",@progbits"),
            concat!(".globl ", $name),
            concat!(".hidden ", $name),
            concat!(".type ", $name, ", @function"),
            concat!($name, ":"),
            $($code)*,
            concat!(".size ", $name, ", . - ", $name),
            ".popsection",
            $($operand)*
        );
    };
}
pub(crate) use named_code;

/// Gives each function a hidden name, by a jump to it in a section called `$section` and the name.
macro_rules! hidden_names {
    ($section:literal; $($name:literal => $function:path;)*) => {$(
        $crate::sys::hidden::named_code!(
            $section, $name, [$crate::sys::hidden::jump!()], function = sym $function,
        );
    )*};
}
pub(crate) use hidden_names;
